/** Control groups by the files in them: what is written for a limit, and how the kernel's files are read. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CgroupManager } from "../../../src/linux/cgroup/cgroup.ts";
import { CgroupV1Manager } from "../../../src/linux/cgroup/v1.ts";
import { CgroupV2Manager } from "../../../src/linux/cgroup/v2.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "bay-cgroup-"));
});
afterEach(() => rmSync(root, { recursive: true }));
const put = (path: string, text: string) => {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), text);
};
const text = (path: string) => readFileSync(join(root, path), "utf8");

const CONTROLLERS = ["memory", "cpu", "cpuacct", "pids", "freezer", "devices", "blkio", "cpuset"];
const managers: [string, () => CgroupManager, dir: (controller: string) => string][] = [
  [
    "v1",
    () => new CgroupV1Manager("/bay", new Map(CONTROLLERS.map((name) => [name, join(root, name)]))),
    (name) => `${name}/bay/c1`,
  ],
  ["v2", () => new CgroupV2Manager("/bay", root), () => "bay/c1"],
];

describe.each(managers)("a cgroup of %s", (_version, open, at) => {
  it("is created, listed and removed", () => {
    const manager = open();
    const group = manager.group("c1");
    expect([group.exists(), manager.list()]).toEqual([false, []]);
    expect(manager.missingGroups("/bay/c1").length).toBeGreaterThan(0);
    expect([group.create(), group.create()]).toEqual([true, false]);
    expect([group.exists(), manager.list(), manager.missingGroups("/bay")]).toEqual([
      true,
      ["c1"],
      // a cpuset is made only if it is used
      manager.version === 1 ? [join(root, "cpuset/bay")] : [],
    ]);
    group.below("exec").create();
    expect(group.groupsBelow()).toEqual(["exec"]);
    expect([group.remove(), group.exists(), group.remove()]).toEqual([true, false, true]);
    manager.removeParent();
    expect(manager.list()).toEqual([]);
    manager.makeGroup("/other/deep");
    expect(manager.missingGroups("/other/deep")).toEqual([]);
  });

  it("has a name of both below another cgroup", () => {
    expect(open().group("c1", "/user.slice").path).toBe("/user.slice/bay-c1");
    expect(open().group("c1").path).toBe("/bay/c1");
  });

  it("gives back the limits that were set", () => {
    fc.assert(
      fc.property(
        fc.record({
          limit: fc.integer({ min: 4096, max: 2 ** 40 }),
          extra: fc.integer({ min: 1, max: 2 ** 40 }),
          pids: fc.integer({ min: 1, max: 4_000_000 }),
          quota: fc.integer({ min: 1000, max: 10_000_000 }),
          period: fc.integer({ min: 1000, max: 1_000_000 }),
          reservation: fc.integer({ min: 4096, max: 2 ** 40 }),
        }),
        ({ limit, extra, pids, quota, period, reservation }) => {
          const group = open().group("c1");
          group.create();
          put(`${at("memory")}/memory.swap.max`, "max");
          put(`${at("memory")}/memory.memsw.limit_in_bytes`, "9223372036854771712");
          const resources = {
            memory: { limit, swap: limit + extra, reservation },
            cpu: { quota, period },
            pids: { limit: pids },
          };
          group.apply(resources);
          expect(group.read()).toMatchObject(resources);
        },
      ),
    );
  });

  it("reads unlimited values as absent", () => {
    const group = open().group("c1");
    group.create();
    group.apply({ memory: { limit: -1, swap: -1 }, cpu: { quota: -1 }, pids: { limit: -1 } });
    const { memory, cpu, pids } = group.read();
    expect([memory?.limit, memory?.swap, cpu?.quota, pids]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("names a limit that the kernel refuses, with what is missing", () => {
    const group = open().group("absent");
    expect(() => group.apply({ pids: { limit: 1 } })).toThrow(
      expect.objectContaining({
        code: "CGROUP_LIMIT",
        message: "the kernel refused pids_limit = 1",
        hint: expect.stringContaining("lacks the controller"),
      }),
    );
  });

  it("has statistics of zero where the kernel has no files", () => {
    const group = open().group("c1");
    expect(group.stats()).toMatchObject({
      memoryBytes: 0,
      memoryLimitBytes: undefined,
      cpuNanoseconds: 0,
      readBytes: 0,
      pids: 0,
    });
    expect([group.pids(), group.oomKills(), group.isFrozen(), group.groupsBelow()]).toEqual([
      [],
      0,
      false,
      [],
    ]);
    group.below("exec").kill(); // it does not exist
    expect(group.below("exec").remove()).toBe(true);
  });

  it("counts processes of the cgroups below, and none of another PID namespace", () => {
    const group = open().group("c1");
    group.create();
    put(`${at("pids")}/cgroup.procs`, "12\n0\n13\n");
    put(`${at("pids")}/exec/cgroup.procs`, "14\n");
    expect(group.pids()).toEqual([12, 13, 14]);
    expect(group.below("exec").joinFiles().at(-1)).toContain("/exec/");
  });
});

describe("a cgroup of v2", () => {
  const group = () => new CgroupV2Manager("/bay", root).group("c1");

  it("enables the available controllers from the root down", () => {
    put("cgroup.controllers", "cpu memory hugetlb\n");
    put("cgroup.subtree_control", "memory");
    put("bay/cgroup.controllers", "memory");
    group().create();
    expect([text("cgroup.subtree_control"), text("bay/cgroup.subtree_control")]).toEqual(["+cpu", "+memory"]);
  });

  it("writes weights, devices' rates and cpusets in the kernel's form", () => {
    group().create();
    group().apply({
      cpu: { shares: 1024, cpus: "0-1", mems: "0" },
      blockIO: {
        weight: 300,
        weightDevice: [{ major: 8, minor: 0, weight: 200 }],
        throttleReadBpsDevice: [{ major: 8, minor: 16, rate: 1000 }],
      },
      devices: [{ allow: true, type: "a" }],
    });
    expect(
      ["cpu.weight", "cpuset.cpus", "cpuset.mems", "io.bfq.weight", "io.max"].map((file) =>
        text(`bay/c1/${file}`),
      ),
    ).toEqual(["39", "0-1", "0", "8:0 200", "8:16 rbps=1000"]);
    expect(group().read().cpu).toMatchObject({ cpus: "0-1" });
    group().apply({ cpu: { cpus: "", mems: "" } });
    expect([text("bay/c1/cpuset.cpus"), group().read().cpu?.cpus]).toEqual(["\n", undefined]);
  });

  it("rejects what only v1 has", () => {
    group().create();
    for (const memory of [{ swappiness: 10 }, { disableOOMKiller: true }])
      expect(() => group().apply({ memory })).toThrow(
        /^cgroup v2 does not support (mem_swappiness|oom_kill_disable)$/,
      );
  });

  it("reads the kernel's statistics", () => {
    for (const [file, content] of Object.entries({
      "memory.current": "1000\n",
      "memory.max": "max\n",
      "memory.stat": "anon 1\ninactive_file 200\n",
      "memory.events": "low 0\noom 3\noom_kill 2\n",
      "cpu.stat":
        "usage_usec 7\nuser_usec 4\nsystem_usec 3\nnr_periods 9\nnr_throttled 2\nthrottled_usec 5\n",
      "pids.current": "4\n",
      "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=2\n8:16 rbytes=1 wbytes=2 rios=1 wios=1\n",
    }))
      put(`bay/c1/${file}`, content);
    expect(group().stats()).toEqual({
      memoryBytes: 1000,
      memoryLimitBytes: undefined,
      inactiveFileBytes: 200,
      cpuNanoseconds: 7000,
      cpuUserNanoseconds: 4000,
      cpuKernelNanoseconds: 3000,
      cpuPeriods: 9,
      cpuThrottledPeriods: 2,
      cpuThrottledNanoseconds: 5000,
      pids: 4,
      readBytes: 11,
      writeBytes: 22,
    });
    expect(group().oomKills()).toBe(2);
  });

  it("is frozen and killed by its own files", () => {
    group().create();
    group().freeze(true);
    expect([text("bay/c1/cgroup.freeze"), group().isFrozen()]).toEqual(["1", true]);
    put("bay/c1/cgroup.kill", "");
    group().kill();
    expect(text("bay/c1/cgroup.kill")).toBe("1");
    const exec = group().below("exec");
    exec.create();
    exec.kill();
    expect(text("bay/c1/exec/cgroup.kill")).toBe("1");
  });
});

describe("a cgroup of v1", () => {
  const manager = () =>
    new CgroupV1Manager("/bay", new Map(CONTROLLERS.map((name) => [name, join(root, name)])));
  const group = () => manager().group("c1");

  it("shows the controllers that the host has", () => {
    expect(
      new CgroupV1Manager(
        "/bay",
        new Map([
          ["memory", "/m"],
          ["pids", "/p"],
          ["net_cls", "/n"],
        ]),
      ).view,
    ).toEqual(["memory", "pids"]);
  });

  it("is joined in each hierarchy by the thread, and in the cpuset only if it is used", () => {
    group().create();
    const files = () =>
      group()
        .joinFiles()
        .map((file) => file.slice(root.length + 1));
    expect(files()).toEqual(CONTROLLERS.slice(0, -1).map((name) => `${name}/bay/c1/tasks`));
    put("cpuset/cpuset.cpus", "0-3");
    put("cpuset/cpuset.mems", "0");
    put("cpuset/bay/cpuset.cpus", "");
    put("cpuset/bay/cpuset.mems", "");
    put("pids/bay/c1/cgroup.procs", "4000000\n");
    group().apply({ cpu: { cpus: "1" } });
    expect(files()).toContain("cpuset/bay/c1/tasks");
    expect(
      ["bay/cpuset.cpus", "bay/c1/cpuset.cpus", "bay/c1/cpuset.mems", "bay/c1/cgroup.procs"].map((file) =>
        text(`cpuset/${file}`),
      ),
    ).toEqual(["0-3", "1", "0", "4000000"]);
  });

  it("lowers memory before the sum with swap, and raises the sum first", () => {
    group().create();
    const [limit, swap] = [
      "memory/bay/c1/memory.limit_in_bytes",
      "memory/bay/c1/memory.memsw.limit_in_bytes",
    ];
    put(limit, "8192");
    put(swap, "9000");
    group().apply({ memory: { limit: 4096, swap: 5000, swappiness: 10, disableOOMKiller: true } });
    expect([text(limit), text(swap)]).toEqual(["4096", "5000"]);
    expect([text("memory/bay/c1/memory.swappiness"), text("memory/bay/c1/memory.oom_control")]).toEqual([
      "10",
      "1",
    ]);
  });

  it("writes device rules in their order, one write for each", () => {
    group().create();
    group().apply({
      devices: [
        { allow: false, type: "a" },
        { allow: true, type: "c", major: 1, minor: 3, access: "rw" },
        { allow: true, type: "b", major: 8, minor: -1 },
      ],
    });
    expect([text("devices/bay/c1/devices.deny"), text("devices/bay/c1/devices.allow")]).toEqual([
      "a",
      "c 1:3 rwb 8:* rwm",
    ]);
  });

  it("writes rates, and reads the kernel's statistics", () => {
    group().create();
    group().apply({
      cpu: { shares: 512 },
      blockIO: { weight: 300, throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 5 }] },
    });
    expect([
      text("blkio/bay/c1/blkio.bfq.weight"),
      text("blkio/bay/c1/blkio.throttle.write_iops_device"),
    ]).toEqual(["300", "8:0 5"]);
    expect(group().read().cpu?.shares).toBe(512);
    for (const [file, content] of Object.entries({
      "memory/bay/c1/memory.usage_in_bytes": "1000",
      "memory/bay/c1/memory.stat": "total_inactive_file 200",
      "memory/bay/c1/memory.oom_control": "oom_kill_disable 0\noom_kill 2",
      "cpuacct/bay/c1/cpuacct.usage": "70",
      "blkio/bay/c1/blkio.throttle.io_service_bytes_recursive":
        "8:0 Read 10\n8:0 Write 20\n8:16 Read 1\nTotal 31",
    }))
      put(file, content);
    expect(group().stats()).toMatchObject({
      memoryBytes: 1000,
      inactiveFileBytes: 200,
      cpuNanoseconds: 70,
      readBytes: 11,
      writeBytes: 20,
    });
    expect(group().oomKills()).toBe(2);
  });

  it("is frozen by its state, and thawed when it is killed", () => {
    group().create();
    group().freeze(true);
    expect(group().isFrozen()).toBe(true);
    put("freezer/bay/c1/freezer.state", "FREEZING\n");
    expect(group().isFrozen()).toBe(true);
    group().kill();
    expect([text("freezer/bay/c1/freezer.state").trim(), group().isFrozen()]).toEqual(["THAWED", false]);
  });

  it("keeps an exec's processes from starting others while they are killed", () => {
    group().create();
    const exec = group().below("exec");
    exec.create();
    put("pids/bay/c1/exec/cgroup.procs", "");
    exec.kill();
    expect(text("pids/bay/c1/exec/pids.max")).toBe("0");
    expect(exec.joinFiles().at(-1)).toBe(join(root, "pids/bay/c1/exec/tasks"));
    expect(existsSync(join(root, "memory/bay/c1/exec"))).toBe(false);
  });
});
