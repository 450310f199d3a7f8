/** A container's input keeps what was written, and its end, until the container reads. */
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ContainerInput } from "../../../../src/container/exec/input.ts";
import { makeFifo } from "../../../../src/linux/index.ts";

describe("a container's input", () => {
  let folder: string;
  let fifo: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "bay-input-"));
    fifo = join(folder, "stdin");
    makeFifo(fifo, 0o600);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** What a reader gets that opens the FIFO now: its bytes, and whether the end follows. */
  function read(): { text: string; isEnd: boolean } {
    const fd = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const bytes = Buffer.alloc(100);
    let text = "";
    try {
      for (;;) {
        const count = readSync(fd, bytes);
        if (count === 0) return { text, isEnd: true };
        text += bytes.toString("latin1", 0, count);
      }
    } catch (error) {
      expect(error).toMatchObject({ code: "EAGAIN" });
      return { text, isEnd: false };
    } finally {
      closeSync(fd);
    }
  }

  it("does not end before the container has opened it, however long its start takes", async () => {
    const input = new ContainerInput();
    input.write(Buffer.from("one"));
    input.end();
    input.open(fifo);
    await new Promise((done) => setTimeout(done, 200));
    expect(read()).toEqual({ text: "one", isEnd: false });
    input.isRead();
    expect(read()).toEqual({ text: "", isEnd: true });
  });

  it("ends after everything is written, if the end comes while the container runs", () => {
    const input = new ContainerInput();
    input.open(fifo);
    input.isRead();
    input.write(Buffer.from("two"));
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    input.end();
    const bytes = Buffer.alloc(10);
    expect(bytes.toString("latin1", 0, readSync(reader, bytes))).toBe("two");
    expect(readSync(reader, bytes)).toBe(0);
    closeSync(reader);
  });
});
