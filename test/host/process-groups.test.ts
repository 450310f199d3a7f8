/** Groups of processes below a container's group, on whichever cgroup versions are mounted here. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, statfsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { CgroupV1Manager } from "../../src/linux/cgroup/v1.ts";
import { CgroupV2Manager } from "../../src/linux/cgroup/v2.ts";
import type { CgroupManager } from "../../src/linux/index.ts";

const CGROUP2_MAGIC = 0x63677270;
const parent = `/bay-groups-${process.pid}`;
const unified = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find(
  (path) => existsSync(path) && statfsSync(path).type === CGROUP2_MAGIC,
);
const versions: [string, CgroupManager | undefined][] = [
  ["version 1", existsSync("/sys/fs/cgroup/pids") ? new CgroupV1Manager(parent) : undefined],
  ["version 2", unified === undefined ? undefined : new CgroupV2Manager(parent, unified)],
];

describe.each(versions)("the processes of a group, cgroup %s", (_version, manager) => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children) child.kill("SIGKILL");
  });

  /** A shell that joins a group and then runs a script, which may start others. */
  async function startIn(files: string[], script: string): Promise<void> {
    const join = files.map((file) => `echo 0 > ${file}`).join("; ");
    const child = spawn("sh", ["-c", `${join}; echo joined; ${script}`], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    children.push(child);
    await new Promise((resolve) => child.stdout!.once("data", resolve));
  }

  it.skipIf(!manager)("end together, and the container's other processes do not", async () => {
    const cgroup = manager!.group("a");
    cgroup.create();
    const [one, other] = [cgroup.below("one"), cgroup.below("other")];
    one.create();
    other.create();
    expect(cgroup.groupsBelow().sort()).toEqual(["one", "other"]);
    await startIn(cgroup.joinFiles(), "exec sleep 1000000");
    await startIn(other.joinFiles(), "exec sleep 1000000");
    // of this one every process starts two and ends, so that no list of pids is ever complete
    await startIn(
      one.joinFiles(),
      "f() { f & f & sleep 0.02; }; (setsid sleep 1000000 &); f & exec sleep 1000000",
    );
    expect(one.remove()).toBe(false);
    one.kill();
    for (let kills = 1; !one.remove(); kills++) {
      expect(kills).toBeLessThan(10_000);
      one.kill();
      await sleep(10);
    }
    expect(cgroup.groupsBelow()).toEqual(["other"]);
    expect(cgroup.pids()).toHaveLength(2);
    cgroup.kill();
    for (let tries = 0; !cgroup.remove(); tries++) {
      expect(tries).toBeLessThan(10_000);
      await sleep(10);
    }
    expect(cgroup.exists()).toBe(false);
    manager!.removeParent();
  });
});
