import { describe, expect, it } from "vitest";
import { LogReaders } from "../../../../src/container/logs/log-readers.ts";

describe("the readers of logs", () => {
  it("have ended when all of a container have, and at once if there are none", async () => {
    const readers = new LogReaders();
    await readers.ended("a");
    const ends = [readers.begin("a"), readers.begin("a")];
    const other = readers.begin("b");
    let isOver = false;
    const over = readers.ended("a").then(() => {
      isOver = true;
    });
    ends[0]!();
    await Promise.resolve();
    expect(isOver).toBe(false);
    ends[1]!();
    await over;
    await readers.ended("a");
    other();
    await readers.ended("b");
  });
});
