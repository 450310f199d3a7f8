/**
 * The container's devices: the standard nodes and links of the OCI specification (config-linux.md) in its own /dev, a tmpfs,
 * and the additional devices of its config. Device inodes of the host never get into a container this way.
 */
import { posix } from "node:path";
import * as abi from "../abi.ts";
import type { ProgramBuilder } from "../program.ts";
import type { Spec, SpecDevice } from "../spec.ts";
import { makeDirectories, openInContainer } from "./container-paths.ts";
import { closePassing, FD, NEXT_PASSING, PASSING, resultAs } from "./descriptors.ts";
import { keepFileSystem, makeFileSystem } from "./file-system.ts";

const STANDARD_DEVICES: SpecDevice[] = [
  { path: "/dev/null", type: "c", major: 1, minor: 3 },
  { path: "/dev/zero", type: "c", major: 1, minor: 5 },
  { path: "/dev/full", type: "c", major: 1, minor: 7 },
  { path: "/dev/random", type: "c", major: 1, minor: 8 },
  { path: "/dev/urandom", type: "c", major: 1, minor: 9 },
  { path: "/dev/tty", type: "c", major: 5, minor: 0 },
];
const DEVICE_LINKS: [string, string][] = [
  ["/proc/self/fd", "fd"],
  ["/proc/self/fd/0", "stdin"],
  ["/proc/self/fd/1", "stdout"],
  ["/proc/self/fd/2", "stderr"],
  ["/proc/kcore", "core"],
  ["pts/ptmx", "ptmx"],
];

/**
 * `isOwnDev`: FD.devMount is the container's /dev, created by bay. Otherwise the stack file mounts something at /dev, with
 * its own nodes; FD.null is then a null device without a path.
 */
export function addDevices(program: ProgramBuilder, spec: Spec, isOwnDev: boolean): void {
  if (!isOwnDev) {
    makeFileSystem(program, "tmpfs", ["mode=755", "size=4k"], abi.MOUNT_ATTR_NOSUID, "make /dev/null");
    keepFileSystem(program, FD.devMount);
    program.call("close", [NEXT_PASSING]);
  }
  for (const device of isOwnDev ? STANDARD_DEVICES : STANDARD_DEVICES.slice(0, 1))
    makeNode(program, FD.devMount, posix.basename(device.path), device);
  resultAs(program, FD.null, () => {
    program.call("openat", [FD.devMount, "null", abi.O_RDWR | abi.O_CLOEXEC, 0], { about: "open /dev/null" });
  });
  if (isOwnDev)
    for (const [target, link] of DEVICE_LINKS) program.call("symlinkat", [target, FD.devMount, link]);
  for (const device of spec.linux.devices ?? []) {
    if (!isOwnDev && device.path.startsWith("/dev/")) continue;
    const about = `make ${device.path}`;
    const parent = posix.dirname(device.path);
    makeDirectories(program, parent, about);
    openInContainer(program, parent, abi.O_PATH | abi.O_DIRECTORY, { about });
    makeNode(program, PASSING, posix.basename(device.path), device);
    closePassing(program);
  }
}

function makeNode(program: ProgramBuilder, directory: number, name: string, device: SpecDevice): void {
  const { path, type, major = 0, minor = 0, fileMode = 0o666, uid = 0, gid = 0 } = device;
  const mode = (type === "b" ? abi.S_IFBLK : abi.S_IFCHR) | fileMode;
  const about = `make ${path}`;
  program.call("mknodat", [directory, name, mode, makedev(major, minor)], { about });
  if (uid || gid) program.call("fchownat", [directory, name, uid, gid, abi.AT_SYMLINK_NOFOLLOW], { about });
}

/** The kernel's encoding of a device number in 32 bits (makedev(3)). */
export function makedev(major: number, minor: number): number {
  return (((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12)) >>> 0) as number;
}
