/** Both versions of cgroups pass their contract, as far as this host mounts them. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { CgroupV1Manager } from "../../src/linux/cgroup/v1.ts";
import { CgroupV2Manager } from "../../src/linux/cgroup/v2.ts";
import type { CgroupManager } from "../../src/linux/index.ts";
import { type CgroupPlace, cgroupContract } from "../contracts/cgroup.ts";

const CGROUP2_MAGIC = 0x63677270;
const parent = `/bay-contract-${process.pid}`;
const unified = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find(
  (path) => existsSync(path) && statfsSync(path).type === CGROUP2_MAGIC,
);

function placeOf(manager: CgroupManager, hasLimits: boolean): CgroupPlace {
  const children: ReturnType<typeof spawn>[] = [];
  return {
    manager,
    hasLimits,
    join: async (files) => {
      const writes = files.map((file) => `echo 0 > ${file}`).join(" && ");
      const child = spawn("sh", ["-c", `${writes} && echo joined && exec sleep 1000000`], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      children.push(child);
      await new Promise((resolve) => child.stdout!.once("data", resolve));
      return { pid: child.pid!, isAlive: () => child.exitCode === null && child.signalCode === null };
    },
    close: () => {
      for (const child of children) child.kill("SIGKILL");
    },
  };
}

cgroupContract("version 1", () =>
  existsSync("/sys/fs/cgroup/pids") ? placeOf(new CgroupV1Manager(parent), true) : undefined,
);
cgroupContract("version 2", () =>
  unified === undefined
    ? undefined
    : placeOf(
        new CgroupV2Manager(parent, unified),
        /\bpids\b/.test(readFileSync(`${unified}/cgroup.controllers`, "utf8")),
      ),
);
