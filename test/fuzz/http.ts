/** Random and broken requests against a bayd of this run's own, which must answer afterwards. Needs root. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fuzzHttp } from "../support/http-fuzz.ts";

const START_LIMIT = 60_000;

/**
 * Sends BAY_FUZZ_REQUESTS (100,000), by the seed BAY_FUZZ_SEED where it is given. Throws where bayd ended, does not
 * answer, or holds more descriptors than before.
 */
export async function fuzz(): Promise<void> {
  const { BAY_FUZZ_REQUESTS, BAY_FUZZ_SEED } = process.env;
  const count = Number(BAY_FUZZ_REQUESTS ?? 100_000);
  const seed = BAY_FUZZ_SEED ? Number(BAY_FUZZ_SEED) : Math.floor(Math.random() * 2 ** 32);
  const folder = mkdtempSync(join(tmpdir(), "bay-fuzz-"));
  const env = { ...process.env, BAY_ROOT: join(folder, "root"), BAY_RUN: join(folder, "run") };
  const socketPath = join(folder, "run", "bay.sock");
  const log: string[] = [];
  const daemon = spawn(process.execPath, [resolve("dist/bay.js"), "daemon", "run"], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  daemon.stderr.setEncoding("utf8").on("data", (text: string) => log.push(text));
  try {
    await started(daemon, socketPath);
    await fuzzHttp({ socketPath, container: "nosuch" }, 200, seed); // everything is loaded then
    const before = descriptors(daemon);
    const sent = await fuzzHttp({ socketPath, container: "nosuch" }, count, seed);
    if ((await ping(socketPath)) !== 200)
      throw new Error(`bayd does not answer (seed ${seed})\n${log.join("")}`);
    const end = Date.now() + START_LIMIT;
    while (descriptors(daemon) > before && Date.now() < end) await sleep(100);
    if (descriptors(daemon) > before)
      throw new Error(`bayd holds ${descriptors(daemon) - before} descriptors more (seed ${seed})`);
    if (log.join("").includes("uncaught")) throw new Error(`seed ${seed}\n${log.join("")}`);
    console.log(`http: ${sent} requests, seed ${seed}: bayd answers, ${before} descriptors before and after`);
  } finally {
    daemon.kill("SIGTERM");
    if (daemon.exitCode === null) await new Promise((done) => daemon.once("exit", done));
    rmSync(folder, { recursive: true, force: true });
  }
}

async function started(daemon: ChildProcess, socketPath: string): Promise<void> {
  const end = Date.now() + START_LIMIT;
  while (!existsSync(socketPath) || (await ping(socketPath)) !== 200) {
    if (daemon.exitCode !== null || Date.now() > end) throw new Error("bayd did not start");
    await sleep(50);
  }
}

const descriptors = ({ pid, exitCode }: ChildProcess): number => {
  if (exitCode !== null || readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z "))
    throw new Error(`bayd ended with ${exitCode}`);
  return readdirSync(`/proc/${pid}/fd`).length;
};

function ping(socketPath: string): Promise<number> {
  return new Promise((done) => {
    const call = request({ socketPath, path: "/_ping", agent: false }, (response) => {
      response.resume();
      done(response.statusCode ?? 0);
    });
    call.on("error", () => done(0));
    call.end();
  });
}
