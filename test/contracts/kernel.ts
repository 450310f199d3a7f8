/** The contract of kernels: what the container room relies on when it runs processes, by Linux and by the recording double. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type * as Door from "../../src/linux/index.ts";
import type { Launched } from "../../src/linux/index.ts";
import type { ProgramState } from "../../src/linux/program-state.ts";

/** What a command of the contract does. */
export type Script =
  /** Ends at once with the exit code 3. */
  | "exits"
  /** Runs on, and handles no signal. */
  | "waits"
  /** Prints `ready`, and ends with the exit code 7 at SIGTERM. */
  | "handles"
  /** Does not exist. */
  | "missing";

export interface KernelPlace {
  door: Pick<typeof Door, "isAlive" | "startTime" | "openProcess" | "signalProcess">;
  launch(script: Script): Promise<Launched>;
  exec(container: Launched, script: Script): Promise<Launched>;
  /** Everything that the last start of this script printed until now. */
  output(script: Script): string;
  /** What the shim wrote to the program file of this start. */
  program(launched: Launched): ProgramState;
  /** How many ends shims have announced. */
  announced(): number;
  close(): void;
}

const [SIGKILL, SIGTERM] = [9, 15];

export function kernelContract(name: string, open: () => KernelPlace): void {
  describe(`the contract of kernels: ${name}`, () => {
    let place: KernelPlace;
    let door: KernelPlace["door"];
    const started: Launched[] = [];
    beforeEach(() => {
      place = open();
      door = place.door;
    });
    afterEach(() => {
      for (const { pid, start, shimPid, shimStart } of started.splice(0)) {
        door.signalProcess(pid, start, SIGKILL);
        door.signalProcess(shimPid, shimStart, SIGKILL);
      }
      place.close();
    });
    const launch = async (script: Script) => {
      const launched = await place.launch(script);
      started.push(launched);
      return launched;
    };
    const exec = async (container: Launched, script: Script) => {
      const launched = await place.exec(container, script);
      started.push(launched);
      return launched;
    };
    const ended = ({ pid, start }: Launched) => until(() => !door.isAlive(pid, start));
    const statusOf = async (launched: Launched) => {
      await until(() => place.program(launched).status !== undefined);
      return place.program(launched).status;
    };

    it("a process is itself only with its start time, and has a shim", async () => {
      const { pid, start, shimPid, shimStart } = await launch("waits");
      expect([door.isAlive(pid, start), door.isAlive(pid, 0), door.isAlive(pid, start + 1)]).toEqual([
        true,
        false,
        false,
      ]);
      expect(door.startTime(pid)).toBe(start);
      expect(door.isAlive(shimPid, shimStart)).toBe(true);
      expect(door.openProcess(pid, start + 1)).toBeUndefined();
      expect(place.announced()).toBe(0);
    });

    it("an end is announced, and its status is in the program file", async () => {
      const launched = await launch("exits");
      await ended(launched);
      expect(await statusOf(launched)).toBe(3 << 8);
      await until(() => place.announced() === 1);
      expect(place.program(launched)).toMatchObject({
        childPid: launched.pid,
        childStart: launched.start,
        shimPid: launched.shimPid,
      });
      expect(place.program(launched).endedAt).toBeGreaterThan(0);
      expect(door.openProcess(launched.pid, launched.start)).toBeUndefined();
      expect(door.startTime(launched.pid)).toBeUndefined();
    });

    it("a signal reaches a process that handles it, and what it printed is in its output", async () => {
      const launched = await launch("handles");
      await until(() => place.output("handles") === "ready\n");
      expect(door.signalProcess(launched.pid, launched.start, SIGTERM)).toBe(true);
      await ended(launched);
      expect(await statusOf(launched)).toBe(7 << 8);
      expect(door.signalProcess(launched.pid, launched.start, SIGTERM)).toBe(false);
    });

    it("SIGKILL ends every process", async () => {
      const launched = await launch("waits");
      door.signalProcess(launched.pid, launched.start, SIGKILL);
      expect(await statusOf(launched)).toBe(SIGKILL);
    });

    it("a signal to another process with the same PID is not sent", async () => {
      const { pid, start } = await launch("waits");
      expect(door.signalProcess(pid, start + 1, SIGKILL)).toBe(false);
      expect(door.isAlive(pid, start)).toBe(true);
    });

    it("the first process of a container is not ended by a signal that it does not handle", async () => {
      const first = await launch("waits");
      const other = await exec(first, "waits");
      for (const { pid, start } of [first, other]) expect(door.signalProcess(pid, start, SIGTERM)).toBe(true);
      // the other one was signalled after the first
      expect(await statusOf(other)).toBe(SIGTERM);
      expect(door.isAlive(first.pid, first.start)).toBe(true);
    });

    it("an exec ends by itself, and with its container", async () => {
      const container = await launch("waits");
      const short = await exec(container, "exits");
      expect(await statusOf(short)).toBe(3 << 8);
      expect(door.isAlive(container.pid, container.start)).toBe(true);
      const long = await exec(container, "waits");
      door.signalProcess(container.pid, container.start, SIGKILL);
      await ended(long);
      expect(await statusOf(long)).toBe(SIGKILL);
    });

    it("a command that does not exist fails with the exit code 127, and leaves no process", async () => {
      await expect(place.launch("missing")).rejects.toMatchObject({ code: "START_FAILED", exitCode: 127 });
      const container = await launch("waits");
      await expect(place.exec(container, "missing")).rejects.toMatchObject({ exitCode: 127 });
      expect(door.isAlive(container.pid, container.start)).toBe(true);
    });

    it("a shim that is killed writes no status any more", async () => {
      const launched = await launch("waits");
      door.signalProcess(launched.shimPid, launched.shimStart, SIGKILL);
      await until(() => !door.isAlive(launched.shimPid, launched.shimStart));
      door.signalProcess(launched.pid, launched.start, SIGKILL);
      await ended(launched);
      expect(place.program(launched).status).toBeUndefined();
      expect(place.announced()).toBe(0);
    });
  });
}

async function until(test: () => boolean): Promise<void> {
  while (!test()) await sleep(5);
}
