/** The groups of execs that have ended while their container was paused. */
import { expect, it } from "vitest";
import { LeftExecs } from "../../../../src/container/exec/left-execs.ts";
import type { ContainerRecord } from "../../../../src/container/index.ts";

it("are ended when it is unpaused, and those of execs that start or run are left alone", () => {
  const token = (digit: number) => String(digit).repeat(16);
  const active = new Set([token(1), token(2)]);
  const removed: string[] = [];
  const group = {
    groupsBelow: () => [
      `client-${token(1)}`,
      `bayd-${token(2)}`,
      `bayd-${token(3)}`,
      `client-${token(4)}`,
      "made-by-the-container",
    ],
    below: (name: string) => ({ kill: () => {}, remove: () => removed.push(name) > 0 }),
  };
  const host = {
    groups: { of: () => group },
    // 4 was forgotten long ago
    execs: {
      find: (id: string) => (id === token(4) ? undefined : { running: false, isActive: active.has(id) }),
    },
  };
  const execs = new LeftExecs(host as unknown as ConstructorParameters<typeof LeftExecs>[0]);
  execs.endFinished({} as ContainerRecord);
  expect(removed).toEqual([`bayd-${token(3)}`, `client-${token(4)}`]);
});
