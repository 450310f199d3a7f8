/** A process is identified by its PID and its start time. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { isAlive, openProcess, signalProcess, startTime } from "../../../src/linux/process.ts";

describe("a process", () => {
  it("is not signalled without its start time, because another process may have its PID", async () => {
    const child = spawn("sleep", ["1000"]);
    try {
      const pid = child.pid!;
      const start = startTime(pid)!;
      for (const wrong of [0, start + 1, -1]) {
        expect(isAlive(pid, wrong)).toBe(false);
        expect(openProcess(pid, wrong)).toBeUndefined();
        expect(signalProcess(pid, wrong, 9)).toBe(false);
      }
      expect(isAlive(pid, start)).toBe(true);
      const end = once(child, "exit");
      expect(signalProcess(pid, start, 15)).toBe(true);
      expect(await end).toEqual([null, "SIGTERM"]);
    } finally {
      child.kill("SIGKILL");
    }
  });
});
