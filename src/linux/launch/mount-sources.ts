/**
 * Sources on the host that are mounted into a container, opened as detached mounts (open_tree(2)) before pivot_root(2):
 * directories and files, parts of volumes, images, and mounts of another container.
 */
import { BayError } from "../../core/errors.ts";
import * as abi from "../abi.ts";
import { overlayOptions } from "../overlay-options.ts";
import type { ProgramBuilder } from "../program.ts";
import { IN_ROOT, NO_LINKS } from "../safe-path.ts";
import type { SpecImage, SpecMount } from "../spec.ts";
import { FD, openAs, resultAs } from "./descriptors.ts";

/** Relative names keep the option string of a deep image under the kernel's limit of a page. Throws TOO_MANY_LAYERS. */
export function mountOverlay(
  program: ProgramBuilder,
  { layersDirectory, lower }: { layersDirectory: string; lower: readonly string[] },
  at: string,
  writable?: { upper: string; work: string },
): void {
  const options = overlayOptions({ lower, writable });
  if (options.length > 4000)
    throw new BayError("TOO_MANY_LAYERS", `the image has too many layers: ${lower.length}`);
  program.call("chdir", [layersDirectory]);
  program.call("mount", ["overlay", at, "overlay", 0, options], { about: "mount the overlay" });
}

/**
 * Opens an image as a detached mount. It is assembled at the path of the container's future root. A single layer is used
 * directly, because an overlay without a writable layer needs two.
 */
export function openImage(
  program: ProgramBuilder,
  { destination, subpath }: SpecMount,
  image: SpecImage,
  fd: number,
  at: string,
): void {
  const about = `mount the image at ${destination}`;
  const flags = abi.OPEN_TREE_CLONE | abi.OPEN_TREE_CLOEXEC;
  const [only, ...others] = image.lower;
  const isOverlay = others.length > 0;
  const root = isOverlay || only === undefined ? at : `${image.layersDirectory}/${only}`;
  if (isOverlay) mountOverlay(program, image, at);
  if (subpath !== undefined) openPart(program, root, subpath);
  resultAs(program, fd, () => {
    if (subpath === undefined) program.call("open_tree", [abi.AT_FDCWD, root, flags], { about });
    else program.call("open_tree", [FD.scratch, "", flags | abi.AT_EMPTY_PATH], { about });
  });
  if (isOverlay) program.call("umount2", [at, abi.MNT_DETACH], { about });
  const attributes = program.struct([abi.MOUNT_ATTR_RDONLY, 0, 0, 0]);
  program.call("mount_setattr", [fd, "", abi.AT_EMPTY_PATH, attributes, 32], { about });
}

/**
 * Opens the source of a bind as a detached mount with its options. `isPrivate` disconnects it from mounts that appear at the
 * source later, if other binds are not private.
 */
export function openBind(
  program: ProgramBuilder,
  mount: SpecMount,
  attributeBits: number,
  fd: number,
  isPrivate: boolean,
): void {
  const recursive = mount.options?.includes("rbind") ? abi.AT_RECURSIVE : 0;
  const flags = abi.OPEN_TREE_CLONE | abi.OPEN_TREE_CLOEXEC | recursive;
  const { source = "", subpath, mountNamespace } = mount;
  if (mountNamespace !== undefined) return openElsewhere(program, source, mountNamespace, flags, fd);
  if (subpath !== undefined) openPart(program, source, subpath);
  resultAs(program, fd, () => {
    if (subpath === undefined) program.call("open_tree", [abi.AT_FDCWD, source, flags]);
    else program.call("open_tree", [FD.scratch, "", flags | abi.AT_EMPTY_PATH]);
  });
  const propagation = isPrivate ? abi.MS_PRIVATE : 0;
  if (attributeBits === 0 && propagation === 0) return;
  const attributes = program.struct([attributeBits, 0, propagation, 0]);
  program.call("mount_setattr", [fd, "", abi.AT_EMPTY_PATH | recursive, attributes, 32], {
    about: `set the options of ${mount.destination}`,
  });
}

/** Opens a mount of another container: it is copied in that container's mount namespace, and carried back. */
function openElsewhere(
  program: ProgramBuilder,
  source: string,
  namespace: string,
  flags: number,
  fd: number,
): void {
  const about = `share ${source} of another container`;
  openAs(program, "/proc/self/ns/mnt", abi.O_RDONLY | abi.O_CLOEXEC, FD.ownMounts);
  openAs(program, namespace, abi.O_RDONLY | abi.O_CLOEXEC, FD.scratch);
  program.call("setns", [FD.scratch, abi.CLONE_NEWNS], { about });
  const how = program.struct([abi.O_PATH | abi.O_CLOEXEC, 0, NO_LINKS]);
  resultAs(program, FD.scratch, () => {
    program.call("openat2", [abi.AT_FDCWD, source, how, 24], { about });
  });
  resultAs(program, fd, () => {
    program.call("open_tree", [FD.scratch, "", flags | abi.AT_EMPTY_PATH], { about });
  });
  program.call("setns", [FD.ownMounts, abi.CLONE_NEWNS], { about });
}

/** Another container with the same volume may put symlinks into it: none may lead out of the volume. */
function openPart(program: ProgramBuilder, source: string, subpath: string): void {
  const path = abi.O_PATH | abi.O_CLOEXEC;
  openAs(program, source, path | abi.O_DIRECTORY, FD.scratch);
  const how = program.struct([path, 0, IN_ROOT]);
  resultAs(program, FD.scratch, () => program.call("openat2", [FD.scratch, subpath, how, 24]));
}
