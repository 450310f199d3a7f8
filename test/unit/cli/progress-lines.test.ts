/** Progress without a terminal. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { plainView } from "../../../src/cli/ui/progress.ts";
import type { Progress } from "../../../src/reconcile/index.ts";

const STEP = { step: "image.make:t", name: "t", kind: "image.make" } as const;

describe("progress without a terminal", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const view = () => {
    const lines: string[] = [];
    const plain = plainView((line) => void lines.push(line.trimEnd()));
    return {
      lines,
      plain,
      show: (more: Pick<Progress, "state" | "message">) => plain.show({ ...STEP, ...more }),
    };
  };

  it("names active steps every 10 s, and prints nothing after the end", async () => {
    const { lines, plain, show } = view();
    show({ state: "running" });
    vi.advanceTimersByTime(9_000);
    expect(lines).toEqual([]);
    vi.advanceTimersByTime(11_000);
    expect(lines).toEqual(["image t …", "image t …"]);
    show({ state: "done" });
    vi.advanceTimersByTime(30_000);
    expect(lines.slice(2)).toEqual(["image t made"]);
    await plain.end();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("repeats what the command waits for until the first step begins", () => {
    const { lines, plain, show } = view();
    plain.say("waiting for bay up (pid 7)");
    vi.advanceTimersByTime(10_000);
    expect(lines).toEqual(["waiting for bay up (pid 7)", "waiting for bay up (pid 7)"]);
    show({ state: "done" });
    vi.advanceTimersByTime(20_000);
    expect(lines.slice(2)).toEqual(["image t made"]);
  });

  it("leaves the reason of a failure to the command's error", () => {
    const { lines, show } = view();
    show({ state: "failed", message: "the reason" });
    expect(lines).toEqual(["image t failed"]);
  });
});
