/**
 * Masked and read-only paths below /proc and /sys, which are the same files on the host (OCI config-linux.md, maskedPaths and
 * readonlyPaths). They are opened through the descriptors of the container's own mounts, without following symlinks.
 */
import { lstatSync } from "node:fs";
import * as abi from "../abi.ts";
import type { ProgramBuilder } from "../program.ts";
import type { Spec } from "../spec.ts";
import { attach, openInContainer, requireDevice } from "./container-paths.ts";
import { FD, moveTo, NEXT_PASSING, PASSING } from "./descriptors.ts";
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
  const cover = (path: string, mount: number, place: number, about: string) => {
    const [directory, name] = locate(path);
    openInContainer(program, name, abi.O_PATH, { directory, noSymlinks: true, about });
    attach(program, mount, place, about);
  };
  for (const path of spec.linux.readonlyPaths ?? []) {
    if (!kindOnHost(path)) continue;
    const about = `make ${path} read-only`;
    const flags = CLONE | abi.AT_RECURSIVE | abi.AT_SYMLINK_NOFOLLOW;
    program.call("open_tree", [...locate(path), flags], { about });
    const attributes = program.constant([abi.MOUNT_ATTR_RDONLY, 0, 0, 0]);
    const all = abi.AT_EMPTY_PATH | abi.AT_RECURSIVE;
    program.call("mount_setattr", [PASSING, "", all, attributes, 32], { about });
    cover(path, PASSING, NEXT_PASSING, about);
  }
  const masked = (spec.linux.maskedPaths ?? []).map((path) => ({ path, kind: kindOnHost(path) }));
  if (masked.some(({ kind }) => kind === "file")) openNull(program);
  for (const { path, kind } of masked) {
    const about = `mask ${path}`;
    if (kind === "directory") {
      makeFileSystem(program, "tmpfs", ["size=0"], abi.MOUNT_ATTR_RDONLY, about);
      cover(path, NEXT_PASSING, PASSING, about);
    }
    if (kind === "file") {
      program.call("open_tree", [FD.source, "", CLONE | abi.AT_EMPTY_PATH], { about });
      cover(path, PASSING, NEXT_PASSING, about);
    }
  }
}

/** Only an attached mount can be copied, so files are masked by the container's /dev/null. */
function openNull(program: ProgramBuilder): void {
  const about = "mask files by /dev/null";
  openInContainer(program, "/dev/null", abi.O_PATH, { noSymlinks: true, about });
  requireDevice(program, 1, 3, about);
  moveTo(program, FD.source, abi.O_CLOEXEC, { about });
}

/** The host shows the kind of a path, because the container has the same kernel. */
function kindOnHost(path: string): "file" | "directory" | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat && (stat.isDirectory() ? "directory" : "file");
}
