import { mkdtempSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LogLine, LogReader, selectLines } from "../../../../src/container/logs/reader.ts";
import { SegmentWriter } from "../../../../src/container/logs/segments.ts";

interface Write {
  stream: 0 | 1;
  text: string;
}

/** Output in pieces that need not end with a line, over several segments where `maxSize` is small. */
const writes = fc.array(
  fc.record({
    stream: fc.constantFrom<0 | 1>(0, 1),
    text: fc.string({ unit: fc.constantFrom("a", "b", "\n"), minLength: 1, maxLength: 12 }),
  }),
  { maxLength: 40 },
);

function withLogs(all: readonly Write[], maxSize: number, maxFiles: number, check: (folder: string) => void) {
  const folder = mkdtempSync(join(tmpdir(), "bay-logs-"));
  try {
    const writer = new SegmentWriter(folder, maxSize, maxFiles);
    all.forEach(({ stream, text }, index) => {
      const { fd, offset } = writer.target(stream);
      writeSync(fd, text, offset);
      writer.note(stream, text.length, index);
    });
    writer.close();
    check(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const textOf = (lines: Iterable<LogLine>, stream: 0 | 1) =>
  [...lines]
    .filter((line) => line.stream === stream)
    .map(({ bytes }) => bytes.toString())
    .join("");

const shown = (lines: Iterable<LogLine>) =>
  [...lines].map(({ stream, bytes, time }) => `${time} ${stream} ${bytes}`);

describe("reading logs", () => {
  it("returns the same bytes in lines and in chunks of whole lines", () => {
    fc.assert(
      fc.property(writes, fc.constantFrom(20, 1 << 20), (all, maxSize) =>
        withLogs(all, maxSize, 1000, (folder) => {
          for (const stream of [0, 1] as const) {
            const lines = textOf(new LogReader(folder).read(true), stream);
            expect(textOf(new LogReader(folder).read(true, "chunk"), stream)).toBe(lines);
            for (const { bytes } of new LogReader(folder).read(false, "chunk")) expect(bytes.at(-1)).toBe(10);
          }
        }),
      ),
    );
  });

  it("joins lines of one write, with the times of the single lines", () => {
    fc.assert(
      fc.property(writes, fc.constantFrom(20, 1 << 20), (all, maxSize) =>
        withLogs(all, maxSize, 1000, (folder) => {
          const together = [...new LogReader(folder).read(true, "write")].flatMap(({ bytes, ...rest }) =>
            (`${bytes}`.match(/[^\n]*\n|[^\n]+/g) ?? []).map((line) => ({
              ...rest,
              bytes: Buffer.from(line),
            })),
          );
          expect(shown(together)).toEqual(shown(new LogReader(folder).read(true)));
        }),
      ),
    );
  });

  it("finds the same last lines from the end as when it reads everything", () => {
    fc.assert(
      fc.property(
        writes,
        fc.constantFrom(20, 1 << 20),
        fc.constantFrom(3, 1000),
        fc.nat(12),
        fc.constantFrom<(0 | 1)[]>([0], [1], [0, 1]),
        (all, maxSize, maxFiles, tail, streams) =>
          withLogs(all, maxSize, maxFiles, (folder) => {
            const query = { stdout: streams.includes(0), stderr: streams.includes(1), tail };
            const reader = new LogReader(folder);
            reader.seekTail(tail, streams);
            expect(shown(selectLines(reader.read(true), query))).toEqual(
              shown(selectLines(new LogReader(folder).read(true), query)),
            );
          }),
      ),
    );
  });

  it("reads a large tail without the output before it", () => {
    const all = Array.from({ length: 3000 }, (_, index) => ({ stream: 0 as const, text: `line ${index}\n` }));
    withLogs(all, 1 << 20, 5, (folder) => {
      const reader = new LogReader(folder);
      reader.seekTail(2, [0, 1]);
      expect([...reader.read(true)].map(({ bytes }) => `${bytes}`)).toEqual(["line 2998\n", "line 2999\n"]);
    });
  });
});
