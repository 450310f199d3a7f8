/** Changes are handed over after 20 quiet milliseconds, and after 100 at the latest. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Batcher, LONGEST_MS, QUIET_MS } from "../../../src/watch/batcher.ts";
import { FakeClock } from "../../support/fake-clock.ts";

/** The times of batches for changes at some times. */
function batches(times: number[]): number[] {
  const clock = new FakeClock();
  const found: number[] = [];
  const batcher = new Batcher(() => found.push(clock.time), clock);
  for (const time of times) {
    clock.advance(time);
    batcher.touch();
  }
  clock.advance(1e6);
  return found;
}

describe("batches of changes", () => {
  it("end when nothing changes for 20 ms", () => expect(batches([0, 10, 25])).toEqual([45]));
  it("are separate after a pause", () => expect(batches([0, 50])).toEqual([20, 70]));
  it("do not wait longer than 100 ms in a flood", () =>
    expect(batches(Array.from({ length: 30 }, (_, index) => index * 10))[0]).toBe(100));
  it("contain every change soon enough", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1 }), (gaps) => {
        let time = 0;
        const times = gaps.map((gap) => (time += gap));
        const found = batches(times);
        for (const change of times) {
          const handed = found.find((batch) => batch >= change);
          expect(handed! - change).toBeLessThanOrEqual(LONGEST_MS);
          expect(handed! - change).toBeGreaterThanOrEqual(0);
        }
        expect(found.at(-1)! - times.at(-1)!).toBeLessThanOrEqual(QUIET_MS);
      }),
    );
  });
});
