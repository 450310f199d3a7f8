/** A worker thread that ends closes what it opened, and nothing that is another thread's by then. */
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LogCollector } from "../../src/container/logs/collector.ts";
import { makeFifo } from "../../src/linux/index.ts";

/** More than the log worker has open for one container. */
const FILES = 50;

describe("the log worker", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "bay-log-worker-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("closes no file that was opened after it closed the output of a container", async () => {
    const collector = new LogCollector();
    const fifos = { stdout: join(folder, "stdout"), stderr: join(folder, "stderr") };
    for (const path of Object.values(fifos)) makeFifo(path, 0o600);
    const options = { ...fifos, directory: join(folder, "logs"), maxSize: 1 << 20, maxFiles: 2 };
    for (const id of ["a", "b", "c"]) await collector.open({ ...options, id });
    for (const id of ["a", "b", "c"]) await collector.close(id);
    // these have the numbers that the worker's descriptors had
    const files = Array.from({ length: FILES }, () => openSync("/dev/null", "r"));
    await collector.stop();
    const closed = files.filter((fd) => {
      try {
        return !fstatSync(fd).isCharacterDevice();
      } catch {
        return true;
      }
    });
    for (const fd of files) if (!closed.includes(fd)) closeSync(fd);
    expect(closed).toEqual([]);
  });
});
