/**
 * The container's file systems. Two phases, with pivot_root(2) between them:
 *
 *   before: everything that names a host path is only *opened* (open_tree, fsmount: detached mounts);
 *   after:  the old root is unmounted, and every path is resolved inside the container and through no magic link of
 *           /proc (container-paths.ts), so that a symlink of a hostile image leads only to files of the container.
 *
 * bay's own /proc, /sys and /dev are mounted at paths without symlinks. Masks, sysctls and devices are set up through the
 * descriptors of these mounts, never by path.
 */
import { closeSync, fstatSync, statSync } from "node:fs";
import { BayError } from "../../core/errors.ts";
import { isKernelPath, isProcFile, mountTargetProblem } from "../../core/mount-targets.ts";
import * as abi from "../abi.ts";
import type { ProgramBuilder } from "../program.ts";
import { isRootMountPoint } from "../root-mount.ts";
import { openInRoot } from "../safe-path.ts";
import type { Spec, SpecMount } from "../spec.ts";
import {
  attach,
  coverDirectories,
  makeDirectories,
  makeMountPoint,
  openInContainer,
  refuseKernelFileSystems,
  requireFileSystem,
} from "./container-paths.ts";
import { closePassing, FD, NEXT_PASSING, PASSING, writeFile } from "./descriptors.ts";
import { addDevices } from "./devices.ts";
import { keepFileSystem, makeFileSystem } from "./file-system.ts";
import { addMasks } from "./masks.ts";
import { mountOverlay, openBind, openImage } from "./mount-sources.ts";
import type { LaunchRequest } from "./request.ts";

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
  "shared",
  "rshared",
]);
/** The kernel file systems that bay mounts before everything else: the type by path. */
const KERNEL_TYPES: Record<string, string> = { "/proc": "proc", "/sys": "sysfs", "/dev": "tmpfs" };
const KERNEL_MOUNT_FDS: Record<string, number> = {
  "/proc": FD.procMount,
  "/sys": FD.sysMount,
  "/dev": FD.devMount,
};

interface MountPlan {
  mount: SpecMount;
  attributes: number;
  data: string[];
  /** The descriptor of the detached bind; undefined for a file system that is created after the pivot. */
  bindFd: number | undefined;
  isFile: boolean;
  /** slave: mounts added at the source later appear; shared: those of the container appear there, too. */
  propagation: "private" | "slave" | "shared";
}

/** Throws MOUNT_TARGET, MOUNT_SOURCE, MOUNT_OPTION, NO_SUBPATH. */
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
  checkTarget(mount, isBind);
  if (mount.image) {
    const { isFile } = mount.image;
    return { mount, attributes, data: [], bindFd: FD.firstBind + index, isFile, propagation: "private" };
  }
  if (!isBind) return { mount, attributes, data, bindFd: undefined, isFile: false, propagation: "private" };
  let isFile: boolean;
  try {
    isFile = mount.kind ? mount.kind === "file" : mount.mountNamespace === undefined && !isDirectory(mount);
  } catch (cause) {
    if (mount.subpath !== undefined)
      throw new BayError("NO_SUBPATH", `the volume at ${mount.destination} has no path ${mount.subpath}`, {
        hint: "it must exist before the container starts",
        cause,
      });
    throw new BayError("MOUNT_SOURCE", `the mount source ${mount.source} cannot be used`, { cause });
  }
  if (data.length > 0)
    throw new BayError("MOUNT_OPTION", `unknown mount options of ${mount.destination}: ${data.join(", ")}`);
  const propagation = propagationOf(mount);
  return { mount, attributes, data, bindFd: FD.firstBind + index, isFile, propagation };
}

function propagationOf({ options = [] }: SpecMount): MountPlan["propagation"] {
  if (options.some((option) => option === "shared" || option === "rshared")) return "shared";
  return options.some((option) => option === "slave" || option === "rslave") ? "slave" : "private";
}

/** Whether a mount is a kernel file system that a specification may name for this path. */
function isKernelMount({ type, destination }: SpecMount): boolean {
  if (type === "cgroup" || type === "cgroup2") return destination === "/sys/fs/cgroup";
  return type !== undefined && type === KERNEL_TYPES[destination];
}

function checkTarget(mount: SpecMount, isBind: boolean): void {
  if (isKernelMount(mount)) return;
  const isOfHost = isBind && mount.subpath === undefined && mount.mountNamespace === undefined;
  const problem = mountTargetProblem(mount.destination, isOfHost ? mount.source : undefined);
  if (problem)
    throw new BayError("MOUNT_TARGET", `nothing can be mounted at ${mount.destination}: ${problem}`);
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
  // copied while they are still the host's mounts; a detached copy stays in its peer group
  for (const { mount, attributes, bindFd, propagation } of plans)
    if (propagation === "shared") openBind(program, mount, attributes, bindFd!, false);
  // a mount that is not a slave now cannot become one later; other binds are made private one by one
  const hasSlaves = plans.some((plan) => plan.propagation === "slave");
  const propagation = hasSlaves ? abi.MS_SLAVE : abi.MS_PRIVATE;
  cutOff(program, propagation);
  for (const { mount, bindFd } of plans)
    if (mount.image) openImage(program, mount, mount.image, bindFd!, spec.root.path);
  addRoot(program, request);
  for (const { mount, attributes, bindFd, propagation: own } of plans)
    if (bindFd !== undefined && !mount.image && own !== "shared")
      openBind(program, mount, attributes, bindFd, hasSlaves && own === "private");

  program.call("chdir", [spec.root.path]);
  program.call("pivot_root", [".", "."]);
  program.call("umount2", [".", abi.MNT_DETACH], { about: "leave the old root" });
  program.call("chdir", ["/"]);

  program.call("umask", [0]);
  const isOwn = ({ mount }: MountPlan) =>
    mount.type !== undefined && mount.type === KERNEL_TYPES[mount.destination];
  // first, so that no other mount redirects writes to them
  for (const plan of plans.filter(isOwn)) addKernelMount(program, plan);
  addDevices(
    program,
    spec,
    plans.some((plan) => isOwn(plan) && plan.mount.destination === "/dev"),
  );
  addSysctls(program, spec);
  for (const plan of plans) if (!isOwn(plan)) addMount(program, plan, request);
  addMasks(program, spec);
  if (request.mounted) addFilesGate(program);
  if (spec.root.readonly) setReadonly(program, "/", abi.AT_FDCWD);
}

/** Lets bayd write files into the mounts. If bayd is killed meanwhile, the process ends without having run the command. */
function addFilesGate(program: ProgramBuilder): void {
  const byte = program.data(Buffer.alloc(8));
  const [lost, complete] = [program.newLabel(), program.newLabel()];
  program.call("write", [FD.mountedWrite, byte, 1], { about: "report the mounts" });
  program.call("close", [FD.mountedWrite]);
  program.call("read", [FD.filesRead, byte, 1], { about: "wait for files", jumpIfZero: lost });
  program.goto(complete);
  program.call("exit_group", [1], { label: lost });
  program.call("close", [FD.filesRead], { label: complete });
}

/**
 * Mounts from here on belong only to the container. If bayd runs in a chroot, `/` is not a mount point: the program changes
 * to the root of its mount namespace with setns(2), and replaces it by a copy of the chroot's tree, so that nothing above the
 * chroot is in the namespace.
 */
function cutOff(program: ProgramBuilder, propagation: number): void {
  const cut = () =>
    program.call("mount", [0, "/", 0, abi.MS_REC | propagation, 0], { about: "make / private" });
  if (isRootMountPoint()) return void cut();
  const about = "leave the chroot";
  const directory = abi.O_PATH | abi.O_DIRECTORY | abi.O_CLOEXEC;
  const clone = abi.AT_EMPTY_PATH | abi.AT_RECURSIVE | abi.OPEN_TREE_CLONE | abi.OPEN_TREE_CLOEXEC;
  program.call("openat", [abi.AT_FDCWD, "/", directory, 0], { about });
  program.call("openat", [abi.AT_FDCWD, "/proc/self/ns/mnt", abi.O_CLOEXEC, 0], { about });
  program.call("setns", [NEXT_PASSING, abi.CLONE_NEWNS], { about });
  program.call("close", [NEXT_PASSING]);
  cut();
  program.call("open_tree", [PASSING, "", clone], { about });
  program.call("move_mount", [NEXT_PASSING, "", abi.AT_FDCWD, "/proc", abi.MOVE_MOUNT_F_EMPTY_PATH], {
    about,
  });
  program.call("fchdir", [NEXT_PASSING], { about });
  program.call("pivot_root", [".", "."], { about });
  program.call("umount2", [".", abi.MNT_DETACH], { about });
  program.call("chdir", ["/"], { about });
  program.call("close", [NEXT_PASSING]);
  program.call("close", [PASSING]);
}

/** The overlay, or the bind of a plain directory onto itself: pivot_root(2) requires a mount. */
function addRoot(program: ProgramBuilder, request: LaunchRequest): void {
  const { overlay, spec } = request;
  if (!overlay) {
    program.call("mount", [spec.root.path, spec.root.path, 0, abi.MS_BIND | abi.MS_REC, 0]);
    return;
  }
  mountOverlay(program, overlay, spec.root.path, overlay);
}

/** /proc, /sys and /dev: their paths must not be symlinks, and their descriptors stay open until the masks are set up. */
function addKernelMount(program: ProgramBuilder, { mount, data, attributes }: MountPlan): void {
  const about = `mount ${mount.destination}`;
  const fd = KERNEL_MOUNT_FDS[mount.destination]!;
  makeDirectories(program, mount.destination, about);
  makeFileSystem(program, mount.type!, data, attributes, about);
  keepFileSystem(program, fd);
  openInContainer(program, mount.destination, abi.O_PATH | abi.O_DIRECTORY, { noSymlinks: true, about });
  attach(program, NEXT_PASSING, PASSING, about);
  coverDirectories(program, mount.destination);
}

function addMount(program: ProgramBuilder, plan: MountPlan, request: LaunchRequest): void {
  const { destination, type } = plan.mount;
  const about = `mount ${destination}`;
  const isKernel = isKernelPath(destination);
  const isCovered = isKernel && request.spec.mounts.some((mount) => isRootOf(mount, destination));
  // nothing can be created in kernel file systems
  if (!isCovered) makeMountPoint(program, destination, plan.isFile, about);
  if (type === "cgroup") return addCgroupView(program, plan, request);
  if (plan.bindFd === undefined) makeFileSystem(program, type ?? "", plan.data, plan.attributes, about);
  openInContainer(program, destination, abi.O_PATH, {
    noSymlinks: isKernel && !isProcFile(destination),
    about,
  });
  if (isProcFile(destination)) requireFileSystem(program, "proc", about);
  else if (!isKernel) refuseKernelFileSystems(program, about);
  attach(program, plan.bindFd ?? NEXT_PASSING, PASSING, about);
  coverDirectories(program, destination);
  if (plan.bindFd === undefined) return;
  // the host's own /proc or /sys replaces the container's and its masks
  const kernelFd = KERNEL_MOUNT_FDS[destination];
  if (kernelFd !== undefined) program.call("dup3", [plan.bindFd, kernelFd, abi.O_CLOEXEC], { about });
  program.call("close", [plan.bindFd]);
}

/** Whether a mount of /proc or /sys contains a path. */
const isRootOf = (mount: SpecMount, path: string) =>
  mount.destination !== path && mount.destination in KERNEL_TYPES && path.startsWith(`${mount.destination}/`);

/** cgroup v2 is one file system; v1 is a tmpfs with a mount per controller. */
function addCgroupView(program: ProgramBuilder, plan: MountPlan, request: LaunchRequest): void {
  const { destination } = plan.mount;
  const about = `mount ${destination}`;
  const show = (type: string, data: string[], at: string, attributes: number) => {
    makeFileSystem(program, type, data, attributes, about);
    openInContainer(program, at, abi.O_PATH | abi.O_DIRECTORY, { noSymlinks: true, about });
    attach(program, NEXT_PASSING, PASSING, about);
  };
  if (request.cgroupView === "v2") return show("cgroup2", [], destination, plan.attributes);
  show("tmpfs", ["mode=755", "size=64k"], destination, plan.attributes & ~abi.MOUNT_ATTR_RDONLY);
  openInContainer(program, destination, abi.O_PATH | abi.O_DIRECTORY, { noSymlinks: true, about });
  for (const controller of request.cgroupView)
    program.call("mkdirat", [PASSING, controller, 0o755], { about });
  closePassing(program);
  for (const controller of request.cgroupView)
    show("cgroup", [controller], `${destination}/${controller}`, plan.attributes);
  openInContainer(program, destination, abi.O_PATH | abi.O_DIRECTORY, { noSymlinks: true, about });
  setReadonly(program, destination, PASSING);
  closePassing(program);
}

/** Makes one mount read-only: the one at the path, or the one of the passing descriptor. */
function setReadonly(program: ProgramBuilder, path: string, directory: number): void {
  const attributes = program.struct([abi.MOUNT_ATTR_RDONLY, 0, 0, 0]);
  const [name, flags] = directory === PASSING ? ["", abi.AT_EMPTY_PATH] : [path, 0];
  program.call("mount_setattr", [directory, name, flags, attributes, 32], {
    about: `make ${path} read-only`,
  });
}

/** sysctls of the container's own namespaces (proc(5), /proc/sys), written through the proc mount. */
function addSysctls(program: ProgramBuilder, spec: Spec): void {
  for (const [name, value] of Object.entries(spec.linux.sysctl ?? {})) {
    writeFile(program, `sys/${name.replaceAll(".", "/")}`, value, { directory: FD.procMount });
  }
}
