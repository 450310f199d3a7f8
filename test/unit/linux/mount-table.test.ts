/** The table of mounts, as the kernel writes it. */
import { describe, expect, it } from "vitest";
import { mountTable, parseMountTable } from "../../../src/linux/mount-table.ts";

describe("a mount table", () => {
  it("has the device, the path without escapes, the optional fields, the type and the options", () => {
    const text = `22 1 0:21 / /proc rw,nosuid - proc proc rw
35 22 254:1 /a /mnt/with\\040space rw shared:1 master:2 - ext4 /dev/vda rw
40 30 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
36 22 0:50 /proc/stat /proc/stat ro - fuse.lxcfs lxcfs rw
`;
    expect(parseMountTable(text)).toEqual([
      { device: "0:21", point: "/proc", tags: "", type: "proc", options: ["rw"] },
      { device: "254:1", point: "/mnt/with space", tags: "shared:1 master:2", type: "ext4", options: ["rw"] },
      {
        device: "0:30",
        point: "/sys/fs/cgroup/cpu",
        tags: "",
        type: "cgroup",
        options: ["rw", "cpu", "cpuacct"],
      },
      { device: "0:50", point: "/proc/stat", tags: "", type: "fuse.lxcfs", options: ["rw"] },
    ]);
  });

  it("has this process's /proc, and is empty for a process that does not exist", () => {
    expect(mountTable("self")).toContainEqual(expect.objectContaining({ point: "/proc", type: "proc" }));
    expect(mountTable(2 ** 30)).toEqual([]);
  });
});
