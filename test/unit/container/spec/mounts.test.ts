/** The order of the mounts of a container, and which of them its own mounts replace. */
import { describe, expect, it } from "vitest";
import { withoutOwn } from "../../../../src/container/spec/lxcfs.ts";
import { allMounts } from "../../../../src/container/spec/mounts.ts";
import { desiredConfig } from "../../../../src/reconcile/index.ts";
import { IMAGE } from "../../../support/actual.ts";
import { loadText } from "../../../support/stack.ts";

const LIMITS = [
  { source: "/lxcfs/proc/meminfo", target: "/proc/meminfo", kind: "file" as const },
  { source: "/lxcfs/proc/uptime", target: "/proc/uptime", kind: "file" as const },
  { source: "/lxcfs/cpu", target: "/sys/devices/system/cpu", kind: "directory" as const },
];

function mountsWith(volumes: string): string[] {
  const { stack } = loadText(`services: { a: { image: x, volumes: [${volumes}] } }`);
  return allMounts(desiredConfig(stack, stack.services.a!, 1, IMAGE), {
    hostPath: (path) => path,
    volumePath: (name) => `/volumes/${name}`,
    etc: [{ target: "/etc/hosts", file: "/hosts" }],
    limits: LIMITS,
  }).map(({ type, destination }) => `${type} ${destination}`);
}

describe("the mounts of a container", () => {
  it("begin with those of every container, and limits are over the kernel's files", () => {
    const mounts = mountsWith("./src:/src");
    expect(mounts.indexOf("proc /proc")).toBeLessThan(mounts.indexOf("bind /proc/meminfo"));
    expect(mounts.indexOf("sysfs /sys")).toBeLessThan(mounts.indexOf("bind /sys/devices/system/cpu"));
    expect(mounts.slice(-2).sort()).toEqual(["bind /etc/hosts", "bind /src"].sort());
  });

  it("of the host's /sys have the control groups after them, and no limits", () => {
    const mounts = mountsWith("/sys:/sys:ro");
    expect(mounts).not.toContain("sysfs /sys");
    expect(mounts.indexOf("bind /sys")).toBeLessThan(mounts.indexOf("cgroup /sys/fs/cgroup"));
    expect(mounts).not.toContain("bind /sys/devices/system/cpu");
    expect(mounts).toContain("bind /proc/meminfo");
  });

  it("of the host's /proc have no limits", () => {
    expect(mountsWith("/proc:/proc").filter((mount) => mount.includes("/proc/"))).toEqual([]);
  });

  it("replace single limits, however their path is written", () => {
    for (const target of ["/proc/uptime", "/proc/uptime/", "/proc/./uptime", "//proc/uptime"])
      expect(withoutOwn(LIMITS, [{ target }]).map((limit) => limit.target)).toEqual([
        "/proc/meminfo",
        "/sys/devices/system/cpu",
      ]);
  });
});
