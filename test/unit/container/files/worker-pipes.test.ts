/** Feeding a worker through a pipe: nothing is lost, and a client that disconnects is the end. */
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { feedWorker, workerPipe } from "../../../../src/container/files/worker-pipes.ts";
import { createPipe } from "../../../../src/linux/index.ts";

/** More than a pipe holds. */
const BYTES = Buffer.alloc(4 << 20, "x");

/** A pipe whose other end is read only when `read` is called, as by a worker that is slow. */
function slowWorker() {
  const pipe = createPipe("write");
  const read = async (): Promise<number> => {
    let size = 0;
    for await (const part of createReadStream("", { fd: pipe.read })) size += (part as Buffer).length;
    return size;
  };
  return { own: workerPipe(pipe.write, "write"), read };
}

describe("a worker that is fed", () => {
  it("gets all bytes of a stream that is closed before the worker has read them", async () => {
    const { own, read } = slowWorker();
    const source = new PassThrough({ highWaterMark: 2 * BYTES.length });
    const stop = feedWorker(source, own);
    source.end(BYTES.subarray(0, 100_000));
    await once(source, "close");
    expect(await read()).toBe(100_000);
    stop();
  });

  it("sees the end when the client disconnects in the middle", async () => {
    const { own, read } = slowWorker();
    const source = new PassThrough();
    const stop = feedWorker(source, own);
    source.write(BYTES);
    source.destroy();
    expect(await read()).toBeLessThan(BYTES.length);
    stop();
  });

  it("sees the end when the client disconnected before", async () => {
    const { own, read } = slowWorker();
    const source = new PassThrough();
    source.destroy();
    const stop = feedWorker(source, own);
    expect(await read()).toBe(0);
    stop();
  });
});
