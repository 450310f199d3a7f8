/** The contract of cgroups: what the container room relies on, by both versions of the kernel and by the fake. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Cgroup, CgroupManager } from "../../src/linux/index.ts";

export interface CgroupPlace {
  manager: CgroupManager;
  /** The host has controllers for limits in this version. */
  hasLimits: boolean;
  /** Starts a process that joins by writing to these files, and runs until it is killed. */
  join(files: readonly string[]): Promise<{ pid: number; isAlive(): boolean }>;
  close(): void;
}

const MEMORY = 64 << 20;

export function cgroupContract(name: string, open: () => CgroupPlace | undefined): void {
  const isHere = open() !== undefined;
  describe.skipIf(!isHere)(`the contract of cgroups: ${name}`, () => {
    let place: CgroupPlace;
    let manager: CgroupManager;
    let group: Cgroup;
    beforeEach(() => {
      place = open()!;
      manager = place.manager;
      group = manager.group("one");
    });
    afterEach(async () => {
      for (const each of manager.list()) {
        manager.group(each).kill();
        await until(() => manager.group(each).remove());
      }
      manager.removeParent();
      place.close();
    });

    it("a group is new once, and gone after its removal", () => {
      expect(group.exists()).toBe(false);
      expect(group.create()).toBe(true);
      expect(group.create()).toBe(false);
      expect([group.exists(), manager.list()]).toEqual([true, ["one"]]);
      expect(group.remove()).toBe(true);
      expect(group.remove()).toBe(true);
      expect([group.exists(), manager.list()]).toEqual([false, []]);
    });

    it("has the processes that joined it, and cannot be removed before they have ended", async () => {
      group.create();
      const process = await place.join(group.joinFiles());
      expect(group.pids()).toEqual([process.pid]);
      expect(group.remove()).toBe(false);
      group.kill();
      await until(() => !process.isAlive());
      await until(() => group.remove());
      expect(group.pids()).toEqual([]);
    });

    it("has the processes of the groups below it, which end without the others", async () => {
      group.create();
      const below = group.below("part");
      below.create();
      expect(group.groupsBelow()).toEqual(["part"]);
      const own = await place.join(group.joinFiles());
      const inside = await place.join(below.joinFiles());
      expect(group.pids().sort()).toEqual([own.pid, inside.pid].sort());
      below.kill();
      await until(() => below.remove());
      await until(() => !inside.isAlive());
      expect(own.isAlive()).toBe(true);
      expect(group.groupsBelow()).toEqual([]);
      expect(below.remove()).toBe(true);
    });

    it("a group below one that does not exist cannot be made", () => {
      expect(() => group.below("part").create()).toThrow(expect.objectContaining({ code: "ENOENT" }));
    });

    it("is frozen and thawed, and a kill ends frozen processes", async () => {
      group.create();
      const process = await place.join(group.joinFiles());
      expect(group.isFrozen()).toBe(false);
      group.freeze(true);
      await until(() => group.isFrozen());
      expect(process.isAlive()).toBe(true);
      group.freeze(false);
      await until(() => !group.isFrozen());
      group.freeze(true);
      group.kill();
      await until(() => !process.isAlive());
    });

    it("keeps limits until they change, and shows none where none is", () => {
      group.create();
      expect(group.read().pids).toBeUndefined();
      expect(group.oomKills()).toBe(0);
      if (!place.hasLimits) return;
      group.apply({ pids: { limit: 50 }, cpu: { quota: 50_000, period: 100_000 } });
      group.apply({ memory: { limit: MEMORY } });
      expect(group.read()).toMatchObject({
        pids: { limit: 50 },
        cpu: { quota: 50_000, period: 100_000 },
        memory: { limit: MEMORY },
      });
      group.apply({ pids: { limit: 0 }, cpu: { quota: 0 }, memory: { limit: 0 } });
      expect(group.read().pids).toBeUndefined();
      expect(group.read().cpu?.quota).toBeUndefined();
      expect(group.read().memory?.limit).toBeUndefined();
    });

    it("shows figures that are never negative", async () => {
      group.create();
      await place.join(group.joinFiles());
      for (const figure of Object.values(group.stats()))
        if (figure !== undefined) expect(figure).toBeGreaterThanOrEqual(0);
    });

    it("is made below another parent, whose missing directories are named, the deepest first", () => {
      const outer = manager.group("outer").path;
      const path = `${outer}/deep/er`;
      const ends = manager.missingGroups(path).map((each) => each.slice(each.indexOf(outer)));
      expect(ends.slice(0, 3)).toEqual([path, `${outer}/deep`, outer]);
      manager.makeGroup(path);
      expect(manager.missingGroups(path)).toEqual([]);
      const inside = manager.group("one", path);
      expect(inside.path.startsWith(`${path}/`)).toBe(true);
      expect(inside.create()).toBe(true);
      expect(inside.remove()).toBe(true);
    });
  });
}

async function until(test: () => boolean): Promise<void> {
  while (!test()) await sleep(5);
}
