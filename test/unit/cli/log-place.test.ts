import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LogPlace, withoutTimes } from "../../../src/cli/ui/log-place.ts";

const START = Date.parse("2026-01-02T03:04:05.000Z");

describe("the place in a log", () => {
  it("shows each line once, wherever connections end", () => {
    const log = fc.array(fc.record({ after: fc.nat({ max: 2 }), text: fc.string({ maxLength: 5 }) }), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(log, fc.array(fc.nat({ max: 40 }), { maxLength: 5 }), (entries, cuts) => {
        let time = START;
        const lines = entries.map(({ after, text }) => {
          time += after;
          return { time: new Date(time).toISOString(), text: `${text.replaceAll("\n", " ")}\n` };
        });
        const place = new LogPlace();
        let shown = "";
        for (const cut of [...cuts.sort((a, b) => a - b), lines.length]) {
          const { since } = place;
          const sent = lines.slice(0, cut).filter((line) => since === undefined || line.time >= since);
          const bytes = Buffer.from(sent.map((line) => `${line.time} ${line.text}`).join(""));
          if (bytes.length > 0) shown += withoutTimes(place.take(bytes)).toString();
        }
        expect(shown).toBe(lines.map(({ text }) => text).join(""));
      }),
    );
  });
});
