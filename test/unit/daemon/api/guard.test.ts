/** Errors that no handler caught: they end their request, and not the process. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { afterAll, describe, expect, it } from "vitest";

/** Requests that fail at once, in a timer, in a forgotten promise, and after their end; then one outside of requests. */
const PROGRAM = `
import { catchEverything, guarded, openRequests } from "./src/daemon/api/guard.ts";
catchEverything();
const ends = [];
const run = (title, action) => guarded(title, (error) => console.log(title + ": " + error.message), (end) => ends.push(end), action);
run("at once", async () => { throw new Error("1"); });
run("timer", async () => { setTimeout(() => { throw new Error("2"); }); });
run("promise", async () => { void Promise.resolve().then(() => { throw new Error("3"); }); });
run("over", async () => { setTimeout(() => { throw new Error("4"); }, 20); });
ends[3]();
setTimeout(() => { throw new Error("5"); }, 30);
setTimeout(() => { for (const end of [...ends, ...ends]) end(); console.log("open " + openRequests()); }, 100);
`;

describe("a request that fails", () => {
  const folder = mkdtempSync("node_modules/.guard-");
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("gets its own error, and nothing else ends", () => {
    const outfile = join(folder, "program.mjs");
    const { outputFiles } = buildSync({
      stdin: { contents: PROGRAM, resolveDir: process.cwd(), loader: "ts" },
      bundle: true,
      write: false,
      format: "esm",
      platform: "node",
    });
    writeFileSync(outfile, outputFiles[0]!.contents);
    const { status, stdout, stderr } = spawnSync(process.execPath, [outfile], { encoding: "utf8" });
    expect(status, stderr).toBe(0);
    expect(stdout.trim().split("\n").sort()).toEqual(["at once: 1", "open 0", "promise: 3", "timer: 2"]);
    expect(stderr).toContain("request timer: uncaught: Error: 2");
    expect(stderr).toContain("request promise: uncaught: Error: 3");
    expect(stderr).toContain("request over: uncaught: Error: 4");
    expect(stderr).toContain("outside of requests: uncaught: Error: 5");
  });
});
