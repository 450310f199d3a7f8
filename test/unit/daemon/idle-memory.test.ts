/** When bayd gives memory back: after a burst, and not in it. */
import { describe, expect, it } from "vitest";
import { IdleMemory } from "../../../src/daemon/process/idle-memory.ts";

const MIB = 2 ** 20;

/** A heap of which `kept` stays and the rest is garbage. */
function heap(kept: number) {
  const seen = { used: kept, collections: 0, trims: 0 };
  const memory = new IdleMemory(
    () => {
      seen.collections++;
      seen.used = kept;
    },
    () => seen.used,
    () => seen.trims++,
  );
  return { seen, memory };
}

describe("memory of an idle bayd", () => {
  it("is released when a burst is over, and only then", () => {
    const { seen, memory } = heap(10 * MIB);
    for (let i = 0; i < 10; i++) memory.look(); // what the start left
    const { collections, trims } = seen;
    for (let i = 0; i < 5; i++) {
      seen.used += 2 * MIB;
      memory.look();
    }
    expect(seen.collections).toBe(collections);
    for (let i = 0; i < 10; i++) memory.look();
    expect([seen.collections, seen.trims]).toEqual([collections + 3, trims + 1]);
    expect(seen.used).toBe(10 * MIB);
  });

  it("is not collected if there is little garbage", () => {
    const { seen, memory } = heap(10 * MIB);
    for (let i = 0; i < 10; i++) memory.look();
    const { collections } = seen;
    for (let i = 0; i < 100; i++) {
      seen.used = 10 * MIB + (i % 10) * 0.2 * MIB;
      memory.look();
    }
    expect(seen.collections).toBe(collections);
  });

  it("is not collected if Node.js has no collect function", () => {
    const trims: number[] = [];
    const memory = new IdleMemory(
      undefined,
      () => 100 * MIB,
      () => trims.push(1),
    );
    for (let i = 0; i < 10; i++) memory.look();
    expect(trims).toEqual([]);
  });
});
