/** Kernel settings of a service beyond the usual limits: namespaces, devices, block devices, the OOM killer. */
import { posix } from "node:path";
import type { BlockIo, KernelOptions } from "../model/stack.ts";
import type { ServiceReader } from "./service-reader.ts";
import { truth } from "./service-reader.ts";

const RULE = /^[abc] (\d+|\*):(\d+|\*) [rwm]{1,3}$/;
/** Of a device number (makedev(3); the kernel's MINORBITS is 20). */
const [MAX_MAJOR, MAX_MINOR] = [4095, 1_048_575];

/** `c 1:3 rwm`, with `*` for any number. */
function isDeviceRule(text: string): boolean {
  const [, major, minor] = RULE.exec(text) ?? [];
  const fits = (number: string | undefined, most: number) =>
    number !== undefined && (number === "*" || Number(number) <= most);
  return fits(major, MAX_MAJOR) && fits(minor, MAX_MINOR);
}

export function readKernelOptions(reader: ServiceReader): KernelOptions {
  const { input } = reader;
  if (input.userns_mode !== undefined && input.userns_mode !== "host")
    reader.bad(
      ["userns_mode"],
      `expected host, got ${JSON.stringify(input.userns_mode)}: bay does not map users`,
    );
  if (input.isolation !== undefined && input.isolation !== "default")
    reader.bad(
      ["isolation"],
      `${JSON.stringify(input.isolation)} is for Windows only; on Linux the value is default`,
    );
  (input.device_cgroup_rules ?? []).forEach((rule, index) => {
    if (!isDeviceRule(String(rule)))
      reader.bad(["device_cgroup_rules", index], `expected "c 1:3 rwm", got ${JSON.stringify(rule)}`);
  });
  if (input.uts === "host")
    for (const key of ["hostname", "domainname"] as const)
      if (input[key]) reader.bad([key], "it cannot be used with uts: host, which has the name of the host");
  const swappiness = input.mem_swappiness === undefined ? undefined : Number(input.mem_swappiness);
  if (swappiness !== undefined && !(swappiness >= 0 && swappiness <= 100))
    reader.bad(["mem_swappiness"], "expected 0 to 100");
  return {
    utsMode: input.uts === "host" ? "host" : "private",
    cgroupMode: input.cgroup === "host" ? "host" : "private",
    ...readParent(reader),
    deviceRules: (input.device_cgroup_rules ?? []).map(String),
    swappiness,
    oomKillDisable: truth(input.oom_kill_disable),
    ...readProcView(reader),
    blockIo: readBlockIo(reader),
  };
}

/** lxcfs shows the limits of the first process of the reader's PID namespace. */
function readProcView(reader: ServiceReader): { procView?: "host" | "limits" } {
  const procView = reader.input["x-bay"]?.proc;
  if (procView === undefined) return {};
  if (procView === "limits" && reader.input.pid === "host")
    reader.bad(["x-bay", "proc"], "with pid: host, /proc shows the host; remove one of them");
  return { procView };
}

/** A path whose parts do not lead upwards; the cgroup does not have to exist. */
function readParent(reader: ServiceReader): { cgroupParent?: string } {
  const parent = reader.input.cgroup_parent;
  if (parent === undefined) return {};
  const parts = parent.split("/").filter(Boolean);
  const isName = (part: string) => /^[a-zA-Z0-9_@][a-zA-Z0-9_@.:-]*$/.test(part);
  if (parts.length === 0 || parts.length > 16 || !parts.every(isName))
    reader.bad(
      ["cgroup_parent"],
      `invalid control group ${JSON.stringify(parent)}: expected a path such as jobs or jobs/nightly`,
    );
  return { cgroupParent: `/${parts.join("/")}` };
}

const THROTTLES = {
  device_read_bps: "readBps",
  device_write_bps: "writeBps",
  device_read_iops: "readIops",
  device_write_iops: "writeIops",
} as const;

function readBlockIo(reader: ServiceReader): BlockIo | undefined {
  const given = reader.input.blkio_config;
  if (!given) return undefined;
  const device = (path: (string | number)[], name: string) => {
    if (!posix.isAbsolute(name))
      reader.bad(path, `expected a device such as /dev/sda, got ${JSON.stringify(name)}`);
    return name;
  };
  const weightOf = (path: (string | number)[], value: number | string | undefined) => {
    if (value === undefined) return undefined;
    const weight = Number(value);
    if (weight !== 0 && !(weight >= 10 && weight <= 1000)) reader.bad(path, "expected 10 to 1000");
    return weight || undefined;
  };
  const result: BlockIo = {
    weight: weightOf(["blkio_config", "weight"], given.weight),
    weights: (given.weight_device ?? []).map(({ path, weight }, index) => {
      const at = ["blkio_config", "weight_device", index];
      return { device: device(at, path), value: weightOf(at, weight) ?? 0 };
    }),
    readBps: [],
    writeBps: [],
    readIops: [],
    writeIops: [],
  };
  for (const [key, field] of Object.entries(THROTTLES) as [keyof typeof THROTTLES, keyof BlockIo][]) {
    const isBytes = key.endsWith("bps");
    const limits = (given[key] ?? []).map(({ path, rate }, index) => {
      const at = ["blkio_config", key, index];
      const value = isBytes ? (reader.bytes([...at, "rate"], rate) ?? 0) : Number(rate);
      return { device: device(at, path), value };
    });
    Object.assign(result, { [field]: limits });
  }
  return result;
}
