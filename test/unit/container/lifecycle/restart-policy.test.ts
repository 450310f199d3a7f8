import { describe, expect, it } from "vitest";
import { mayRestart, restartDelay } from "../../../../src/container/lifecycle/restart-policy.ts";
import { type ContainerRecord, initialState } from "../../../../src/container/model/record.ts";

const record = (policy: string, state: object = {}, maxRetries = 0) =>
  ({
    config: { restart: { policy, maxRetries } },
    state: { ...initialState(), wanted: "running", ...state },
  }) as unknown as ContainerRecord;

describe("restart policies", () => {
  it.each([
    ["no", {}, false],
    ["always", {}, true],
    ["unless-stopped", { exitCode: 1 }, true],
    ["always", { wanted: "stopped" }, false],
    ["on-failure", { exitCode: 0 }, false],
    ["on-failure", { exitCode: 2, restartCount: 99 }, true],
  ])("%s with %j: %s", (policy, state, expected) => {
    expect(mayRestart(record(policy, state))).toBe(expected);
  });
  it("stop at the most retries", () => {
    expect(mayRestart(record("on-failure", { exitCode: 1, restartCount: 2 }, 3))).toBe(true);
    expect(mayRestart(record("on-failure", { exitCode: 1, restartCount: 3 }, 3))).toBe(false);
  });
  it("wait twice as long each time, up to a minute", () => {
    expect([0, 1, 5, 30].map(restartDelay)).toEqual([100, 200, 3200, 60_000]);
  });
});
