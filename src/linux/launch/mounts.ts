/**
 * The container's file systems. Two phases, with pivot_root(2) between them:
 *
 *   before: everything that names a host path is only *opened* (open_tree, fsmount: detached mounts);
 *   after:  the old root is gone, and mkdir and move_mount resolve every path inside the container, so that a
 *           symlink of a hostile image leads nowhere but into itself.
 *
 * /proc and /sys are mounted where no symlink stands, and their masks are applied through the descriptors of
 * those very mounts, never by path.
 */
import { closeSync, fstatSync, lstatSync, statSync } from "node:fs";
import { posix } from "node:path";
import { BayError } from "../../errors.ts";
import * as abi from "../abi.ts";
import type { ProgramBuilder } from "../program.ts";
import { openInRoot } from "../safe-path.ts";
import type { Spec, SpecDevice, SpecMount } from "../spec.ts";
import { mountOverlay, openBind, openImage } from "./mount-sources.ts";
import { FD, type LaunchRequest } from "./request.ts";
import { resultAs, writeFile } from "./supervise.ts";

const ATTRIBUTES: Record<string, number> = {
  ro: abi.MOUNT_ATTR_RDONLY,
  nosuid: abi.MOUNT_ATTR_NOSUID,
  nodev: abi.MOUNT_ATTR_NODEV,
  noexec: abi.MOUNT_ATTR_NOEXEC,
};
const PLAIN_OPTIONS = new Set([
  "rw",
  "suid",
  "dev",
  "exec",
  "relatime",
  "bind",
  "rbind",
  "private",
  "rprivate",
  "slave",
  "rslave",
]);
const STANDARD_DEVICES: SpecDevice[] = [
  { path: "/dev/null", type: "c", major: 1, minor: 3 },
  { path: "/dev/zero", type: "c", major: 1, minor: 5 },
  { path: "/dev/full", type: "c", major: 1, minor: 7 },
  { path: "/dev/random", type: "c", major: 1, minor: 8 },
  { path: "/dev/urandom", type: "c", major: 1, minor: 9 },
  { path: "/dev/tty", type: "c", major: 5, minor: 0 },
];
const DEVICE_LINKS: [string, string][] = [
  ["/proc/self/fd", "/dev/fd"],
  ["/proc/self/fd/0", "/dev/stdin"],
  ["/proc/self/fd/1", "/dev/stdout"],
  ["/proc/self/fd/2", "/dev/stderr"],
  ["/proc/kcore", "/dev/core"],
  ["pts/ptmx", "/dev/ptmx"],
];

interface MountPlan {
  mount: SpecMount;
  attributes: number;
  data: string[];
  /** The descriptor of the detached bind; undefined for a file system that is made after the pivot. */
  bindFd: number | undefined;
  isFile: boolean;
  /** Mounts that come at the source later are seen. */
  isSlave: boolean;
}

function planMount(mount: SpecMount, index: number): MountPlan {
  let attributes = 0;
  const data: string[] = [];
  for (const option of mount.options ?? []) {
    const attribute = ATTRIBUTES[option];
    if (attribute !== undefined) attributes |= attribute;
    else if (!PLAIN_OPTIONS.has(option)) data.push(option);
  }
  const isBind =
    mount.type === "bind" || (mount.options ?? []).some((option) => option === "bind" || option === "rbind");
  if (mount.image) {
    const { isFile } = mount.image;
    return { mount, attributes, data: [], bindFd: FD.firstBind + index, isFile, isSlave: false };
  }
  if (!isBind) return { mount, attributes, data, bindFd: undefined, isFile: false, isSlave: false };
  let isFile: boolean;
  try {
    isFile = mount.mountNamespace === undefined && !isDirectory(mount);
  } catch (cause) {
    if (mount.subpath !== undefined)
      throw new BayError("NO_SUBPATH", `the volume at ${mount.destination} has no ${mount.subpath}`, {
        hint: "it has to be there before the container starts",
        cause,
      });
    throw new BayError("MOUNT_SOURCE", `the mount source ${mount.source} cannot be used`, { cause });
  }
  if (data.length > 0)
    throw new BayError("MOUNT_OPTION", `mount option ${data.join(", ")} of ${mount.destination}`);
  const isSlave = (mount.options ?? []).some((option) => option === "slave" || option === "rslave");
  return { mount, attributes, data, bindFd: FD.firstBind + index, isFile, isSlave };
}

function isDirectory({ source = "", subpath }: SpecMount): boolean {
  if (subpath === undefined) return statSync(source).isDirectory();
  const fd = openInRoot(source, subpath, abi.O_PATH);
  try {
    return fstatSync(fd).isDirectory();
  } finally {
    closeSync(fd);
  }
}

/** Adds both phases. */
export function addMounts(program: ProgramBuilder, request: LaunchRequest): void {
  const { spec } = request;
  const plans = spec.mounts.map(planMount);
  // what is no slave now cannot be one later; binds that are not to be are made private one by one
  const hasSlaves = plans.some(({ isSlave }) => isSlave);
  const propagation = hasSlaves ? abi.MS_SLAVE : abi.MS_PRIVATE;
  program.call("mount", [0, "/", 0, abi.MS_REC | propagation, 0], { about: "cut / off from the host's" });
  for (const { mount, bindFd } of plans)
    if (mount.image) openImage(program, mount, mount.image, bindFd!, spec.root.path);
  addRoot(program, request);
  for (const { mount, attributes, bindFd, isSlave } of plans)
    if (bindFd !== undefined && !mount.image)
      openBind(program, mount, attributes, bindFd, hasSlaves && !isSlave);

  program.call("chdir", [spec.root.path]);
  program.call("pivot_root", [".", "."]);
  program.call("umount2", [".", abi.MNT_DETACH], { about: "leave the old root" });
  program.call("chdir", ["/"]);

  program.call("umask", [0]);
  for (const plan of plans) addMount(program, plan, request);
  addSysctls(program, spec);
  addMasks(program, spec);
  if (spec.root.readonly) setReadonly(program, "/", abi.AT_FDCWD);
}

/** The overlay, or the bind of a plain directory onto itself: pivot_root wants a mount. */
function addRoot(program: ProgramBuilder, request: LaunchRequest): void {
  const { overlay, spec } = request;
  if (!overlay) {
    program.call("mount", [spec.root.path, spec.root.path, 0, abi.MS_BIND | abi.MS_REC, 0]);
    return;
  }
  mountOverlay(program, overlay, spec.root.path, `,upperdir=${overlay.upper},workdir=${overlay.work}`);
}

function addMount(program: ProgramBuilder, plan: MountPlan, request: LaunchRequest): void {
  const { destination, type } = plan.mount;
  const about = `mount ${destination}`;
  addMountPoint(program, destination, plan.isFile);
  if (type === "cgroup") return addCgroupView(program, plan, request);
  let fd: number = FD.scratch;
  if (plan.bindFd !== undefined) fd = plan.bindFd;
  else {
    if (type === "proc") fd = FD.procMount;
    if (type === "sysfs") fd = FD.sysMount;
    makeFileSystem(program, type ?? "", plan.data, plan.attributes, fd, about);
  }
  // The kernel's own file systems go where no symlink stands; everything else where the image's paths lead.
  const isKernel = ["/proc", "/sys", "/dev"].includes(destination);
  const flags = abi.MOVE_MOUNT_F_EMPTY_PATH | (isKernel ? 0 : abi.MOVE_MOUNT_T_SYMLINKS);
  program.call("move_mount", [fd, "", abi.AT_FDCWD, destination, flags], { about });
  if (destination === "/dev") addDevices(program, request.spec);
}

function makeFileSystem(
  program: ProgramBuilder,
  type: string,
  data: string[],
  attributes: number,
  fd: number,
  about: string,
): void {
  resultAs(program, FD.scratch, (store) => {
    program.call("fsopen", [type, abi.FSOPEN_CLOEXEC], { store, about });
  });
  for (const option of data) {
    const at = option.indexOf("=");
    if (at === -1)
      program.call("fsconfig", [FD.scratch, abi.FSCONFIG_SET_FLAG, option, 0, 0], {
        about: `${about} -o ${option}`,
      });
    else {
      const key = option.slice(0, at);
      program.call("fsconfig", [FD.scratch, abi.FSCONFIG_SET_STRING, key, option.slice(at + 1), 0], {
        about: `${about} -o ${option}`,
      });
    }
  }
  program.call("fsconfig", [FD.scratch, abi.FSCONFIG_CMD_CREATE, 0, 0, 0], { about });
  resultAs(program, fd, (store) => {
    program.call("fsmount", [FD.scratch, abi.FSMOUNT_CLOEXEC, attributes], { store, about });
  });
}

/** Makes the directories of a path, and for a file an empty file; what is there already stays. */
export function addMountPoint(program: ProgramBuilder, path: string, isFile: boolean): void {
  const parts = posix.normalize(path).split("/").filter(Boolean);
  const directories = isFile ? parts.slice(0, -1) : parts;
  directories.forEach((_, index) => {
    const directory = `/${directories.slice(0, index + 1).join("/")}`;
    program.call("mkdirat", [abi.AT_FDCWD, directory, 0o755], { ignore: true });
  });
  if (!isFile) return;
  const flags = abi.O_CREAT | abi.O_EXCL | abi.O_CLOEXEC;
  program.call("openat", [abi.AT_FDCWD, path, flags, 0o644], { ignore: true });
}

/** /dev: the standard nodes and links of the specification, then the container's own devices. */
function addDevices(program: ProgramBuilder, spec: Spec): void {
  for (const device of [...STANDARD_DEVICES, ...(spec.linux.devices ?? [])]) {
    const number = makedev(device.major ?? 0, device.minor ?? 0);
    const mode = (device.type === "b" ? 0o060000 : 0o020000) | (device.fileMode ?? 0o666);
    addMountPoint(program, posix.dirname(device.path), false);
    program.call("mknodat", [abi.AT_FDCWD, device.path, mode, number], { about: `make ${device.path}` });
    if (device.uid || device.gid) {
      program.call("fchownat", [
        abi.AT_FDCWD,
        device.path,
        device.uid ?? 0,
        device.gid ?? 0,
        abi.AT_SYMLINK_NOFOLLOW,
      ]);
    }
  }
  for (const [target, link] of DEVICE_LINKS) program.call("symlinkat", [target, abi.AT_FDCWD, link]);
}

/** The kernel's encoding of a device number in 32 bits (makedev(3)). */
export function makedev(major: number, minor: number): number {
  return (((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12)) >>> 0) as number;
}

/** cgroup v2 is one file system; v1 is a tmpfs with a mount per controller. */
function addCgroupView(program: ProgramBuilder, plan: MountPlan, request: LaunchRequest): void {
  const { destination } = plan.mount;
  const about = `mount ${destination}`;
  const show = (type: string, data: string[], at: string, attributes: number) => {
    makeFileSystem(program, type, data, attributes, FD.scratch, about);
    program.call("move_mount", [FD.scratch, "", abi.AT_FDCWD, at, abi.MOVE_MOUNT_F_EMPTY_PATH], { about });
  };
  if (request.cgroupView === "v2") return show("cgroup2", [], destination, plan.attributes);
  show("tmpfs", ["mode=755", "size=64k"], destination, plan.attributes & ~abi.MOUNT_ATTR_RDONLY);
  for (const controller of request.cgroupView) {
    const at = `${destination}/${controller}`;
    program.call("mkdirat", [abi.AT_FDCWD, at, 0o755], { about });
    show("cgroup", [controller], at, plan.attributes);
  }
  setReadonly(program, destination, abi.AT_FDCWD);
}

function setReadonly(program: ProgramBuilder, path: string, directory: number): void {
  const attributes = program.struct([abi.MOUNT_ATTR_RDONLY, 0, 0, 0]);
  program.call("mount_setattr", [directory, path, 0, attributes, 32], { about: `make ${path} read-only` });
}

/** sysctls of the container's own namespaces (proc(5), /proc/sys), written through the proc mount. */
function addSysctls(program: ProgramBuilder, spec: Spec): void {
  for (const [name, value] of Object.entries(spec.linux.sysctl ?? {})) {
    writeFile(program, `sys/${name.replaceAll(".", "/")}`, value, { directory: FD.procMount });
  }
}

/** Masked and read-only paths below /proc and /sys, which are the same files on the host. */
function addMasks(program: ProgramBuilder, spec: Spec): void {
  const mounted = new Set(spec.mounts.map((mount) => mount.destination));
  const locate = (path: string): [number, string] => {
    if (path.startsWith("/proc/") && mounted.has("/proc")) return [FD.procMount, path.slice("/proc/".length)];
    if (path.startsWith("/sys/") && mounted.has("/sys")) return [FD.sysMount, path.slice("/sys/".length)];
    return [abi.AT_FDCWD, path];
  };
  const clone = abi.OPEN_TREE_CLONE | abi.OPEN_TREE_CLOEXEC;
  for (const path of spec.linux.readonlyPaths ?? []) {
    if (!kindOnHost(path)) continue;
    const [directory, name] = locate(path);
    const about = `make ${path} read-only`;
    resultAs(program, FD.scratch, (store) => {
      program.call("open_tree", [directory, name, clone | abi.AT_RECURSIVE], { store, about });
    });
    const attributes = program.struct([abi.MOUNT_ATTR_RDONLY, 0, 0, 0]);
    program.call("mount_setattr", [FD.scratch, "", abi.AT_EMPTY_PATH | abi.AT_RECURSIVE, attributes, 32], {
      about,
    });
    program.call("move_mount", [FD.scratch, "", directory, name, abi.MOVE_MOUNT_F_EMPTY_PATH], { about });
  }
  for (const path of spec.linux.maskedPaths ?? []) {
    const kind = kindOnHost(path);
    if (!kind) continue;
    const [directory, name] = locate(path);
    const about = `mask ${path}`;
    if (kind === "directory")
      makeFileSystem(program, "tmpfs", ["size=0"], abi.MOUNT_ATTR_RDONLY, FD.scratch, about);
    else {
      resultAs(program, FD.scratch, (store) => {
        program.call("open_tree", [abi.AT_FDCWD, "/dev/null", clone | abi.AT_SYMLINK_NOFOLLOW], {
          store,
          about,
        });
      });
    }
    program.call("move_mount", [FD.scratch, "", directory, name, abi.MOVE_MOUNT_F_EMPTY_PATH], { about });
  }
}

function kindOnHost(path: string): "file" | "directory" | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat && (stat.isDirectory() ? "directory" : "file");
}
