/**
 * Masked and read-only paths below /proc and /sys, which are the same files on the host (OCI config-linux.md, maskedPaths and
 * readonlyPaths). They are found through the descriptors of the container's own mounts, through no symlink.
 */
import { lstatSync } from "node:fs";
import * as abi from "../abi.ts";
import type { ProgramBuilder } from "../program.ts";
import type { Spec } from "../spec.ts";
import { attachHere, openInContainer, requireDevice } from "./container-paths.ts";
import { FD, moveTo, resultAs } from "./descriptors.ts";
import { makeFileSystem } from "./file-system.ts";

const CLONE = abi.OPEN_TREE_CLONE | abi.OPEN_TREE_CLOEXEC;

export function addMasks(program: ProgramBuilder, spec: Spec): void {
  const mounted = new Set(spec.mounts.map((mount) => mount.destination));
  const locate = (path: string): [directory: number, name: string] => {
    for (const [root, fd] of [
      ["/proc", FD.procMount],
      ["/sys", FD.sysMount],
    ] as const)
      if (path.startsWith(`${root}/`) && mounted.has(root)) return [fd, path.slice(root.length + 1)];
    return [abi.AT_FDCWD, path];
  };
  const attach = (path: string, about: string) => {
    const [directory, name] = locate(path);
    openInContainer(program, name, abi.O_PATH, { directory, noSymlinks: true, about });
    attachHere(program, FD.scratch, about);
  };
  for (const path of spec.linux.readonlyPaths ?? []) {
    if (!kindOnHost(path)) continue;
    const about = `make ${path} read-only`;
    resultAs(program, FD.scratch, () => {
      program.call("open_tree", [...locate(path), CLONE | abi.AT_RECURSIVE | abi.AT_SYMLINK_NOFOLLOW], {
        about,
      });
    });
    const attributes = program.struct([abi.MOUNT_ATTR_RDONLY, 0, 0, 0]);
    const flags = abi.AT_EMPTY_PATH | abi.AT_RECURSIVE;
    program.call("mount_setattr", [FD.scratch, "", flags, attributes, 32], { about });
    attach(path, about);
  }
  for (const path of spec.linux.maskedPaths ?? []) {
    const kind = kindOnHost(path);
    if (!kind) continue;
    const about = `mask ${path}`;
    if (kind === "directory")
      makeFileSystem(program, "tmpfs", ["size=0"], abi.MOUNT_ATTR_RDONLY, FD.scratch, about);
    else {
      // a mount can be copied only where it is attached: in the container's /dev
      openInContainer(program, "/dev/null", abi.O_PATH, { noSymlinks: true, about });
      requireDevice(program, 1, 3, `${about} by /dev/null`);
      moveTo(program, FD.source, abi.O_CLOEXEC, { about });
      resultAs(program, FD.scratch, () => {
        program.call("open_tree", [FD.source, "", CLONE | abi.AT_EMPTY_PATH], { about });
      });
    }
    attach(path, about);
  }
}

/** The container's kernel has the same files. */
function kindOnHost(path: string): "file" | "directory" | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat && (stat.isDirectory() ? "directory" : "file");
}
