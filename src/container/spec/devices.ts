/** The devices of a container: nodes that it gets, and rules of access (device_cgroup_rules of Compose). */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import type { SpecDevice, SpecDeviceRule } from "../../linux/index.ts";
import type { ContainerConfig } from "../model/config.ts";

/** Devices that every container may use. It may create these nodes itself, and no others. */
const DEVICE_RULES: SpecDeviceRule[] = [
  { allow: false, type: "a", access: "rwm" },
  ...[3, 5, 7, 8, 9].map((minor) => ({ allow: true, type: "c" as const, major: 1, minor, access: "rwm" })),
  { allow: true, type: "c", major: 5, minor: 0, access: "rwm" }, // tty
  { allow: true, type: "c", major: 5, minor: 1, access: "rwm" }, // console
  { allow: true, type: "c", major: 5, minor: 2, access: "rwm" }, // ptmx
  { allow: true, type: "c", major: 136, access: "rwm" }, // pts
];

/** The nodes that a container gets. Throws NO_DEVICE. */
export function devicesOf({ privileged, devices }: ContainerConfig): SpecDevice[] {
  return privileged ? hostDevices() : devices.filter(mayMake).map(oneDevice);
}

/** The devices that a container may use, in the order in which the rules apply. Throws NO_DEVICE, BAD_DEVICE_RULE. */
export function deviceRulesOf({ privileged, devices, kernel }: ContainerConfig): SpecDeviceRule[] {
  if (privileged) return [{ allow: true, type: "a", access: "rwm" }];
  return [...DEVICE_RULES, ...devices.map(deviceRule), ...(kernel?.deviceRules ?? []).map(writtenRule)];
}

/** A device node of the host by number; the node is created in the container. */
export function deviceAt(source: string, target: string): SpecDevice {
  const stat = statSync(source, { throwIfNoEntry: false });
  if (!stat || !(stat.isBlockDevice() || stat.isCharacterDevice())) {
    throw new BayError("NO_DEVICE", `${source} is not a device of this host`);
  }
  const major = ((stat.rdev >> 8) & 0xfff) | 0;
  const minor = (stat.rdev & 0xff) | ((stat.rdev >> 12) & 0xfff00);
  return {
    path: target,
    type: stat.isBlockDevice() ? "b" : "c",
    major,
    minor,
    fileMode: stat.mode & 0o777,
    uid: stat.uid,
    gid: stat.gid,
  };
}

/** A container creates nodes itself if it may; otherwise the host's node is bound into it. */
export const mayMake = ({ access }: ContainerConfig["devices"][number]) => access.includes("m");

const oneDevice = (device: ContainerConfig["devices"][number]) => deviceAt(device.source, device.target);

function deviceRule(device: ContainerConfig["devices"][number]): SpecDeviceRule {
  const { type, major, minor } = oneDevice(device);
  return { allow: true, type: type as "b" | "c", major: major!, minor: minor!, access: device.access };
}

/** Parses `c 1:3 rwm`, with `*` for any number; the stack file's parser has checked it. */
function writtenRule(text: string): SpecDeviceRule {
  const [, type, major, minor, access] = /^([abc]) (\d+|\*):(\d+|\*) ([rwm]+)$/.exec(text) ?? [];
  if (access === undefined)
    throw new BayError("BAD_DEVICE_RULE", `invalid device rule ${JSON.stringify(text)}`);
  return {
    allow: true,
    type: type as "a" | "b" | "c",
    ...(major === "*" ? {} : { major: Number(major) }),
    ...(minor === "*" ? {} : { minor: Number(minor) }),
    access,
  };
}

const OWN_DEVICES = new Set([
  "null",
  "zero",
  "full",
  "random",
  "urandom",
  "tty",
  "console",
  "ptmx",
  "pts",
  "shm",
  "mqueue",
  "fd",
  "stdin",
  "stdout",
  "stderr",
  "core",
]);

/** Every device of the host's /dev, for a privileged container. */
function hostDevices(): SpecDevice[] {
  const found: SpecDevice[] = [];
  const walk = (directory: string) => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (directory === "/dev" && OWN_DEVICES.has(entry.name)) continue;
      const path = join(directory, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (entry.isBlockDevice() || entry.isCharacterDevice()) found.push(deviceAt(path, path));
    }
  };
  walk("/dev");
  return found;
}
