/** Starts bayd from the command if it does not run, and stops it. */
import { closeSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BayError, hasCode } from "../../core/errors.ts";
import { makeRoots, type Roots, socketPath } from "../../core/roots.ts";
import { SIGNALS } from "../../core/signals.ts";
import { checkStateFormat } from "../../store/index.ts";
import { Client } from "../client.ts";

/** Milliseconds to wait for a start that fails repeatedly, and for a slow one. */
const START_TIMEOUT = { failing: 10_000, slow: 60_000 };
/** After this many starts by the keeper, the first ones must have failed. */
const FAILING_STARTS = 3;

/**
 * One memory arena for all threads of bayd: arenas for each thread keep the memory of a burst, about 10 MB after some bursts.
 */
export const DAEMON_ENVIRONMENT = ["MALLOC_ARENA_MAX=1"];

async function answers(client: Client): Promise<boolean> {
  try {
    await client.json("GET", "/bay/v1/daemon");
    return true;
  } catch (error) {
    if (hasCode(error, "NO_DAEMON", "DAEMON_LOST")) return false;
    throw error;
  }
}

/** Returns a client of the running bayd; starts it and its keeper if it does not run. Throws DAEMON_START, NEWER_STATE. */
export async function ensureDaemon(
  roots: Roots,
  command: string[],
  options: { repair: boolean },
): Promise<Client> {
  const client = new Client(socketPath(roots));
  if (await answers(client)) return client;
  if (process.getuid?.() !== 0)
    throw new BayError("NOT_ROOT", "starting containers needs root", { hint: "run it with sudo" });
  checkStateFormat(join(roots.root, "state")); // before the keeper would start a bayd that fails with it again and again
  makeRoots(roots);
  mkdirSync(roots.run, { recursive: true, mode: 0o700 });
  const { isKeeperAlive, keptProcess, startKeeper, tryLock } = await import("../../linux/index.ts");
  const logFile = join(roots.root, "bayd.log");
  // a running keeper restarts bayd by itself
  const file = join(roots.run, "keeper");
  const keeper = {
    file,
    args: [...command, "daemon", "run", ...(options.repair ? [] : ["--no-repair"])],
    env: [
      `PATH=${process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin"}`,
      "HOME=/root",
      `BAY_ROOT=${roots.root}`,
      `BAY_RUN=${roots.run}`,
      ...DAEMON_ENVIRONMENT,
      ...passedOn(),
    ],
    logFile,
  };
  // one command at a time: two keepers would keep starting two daemons
  const startOnce = () => {
    const lock = tryLock(`${file}.lock`);
    if (lock === undefined) return;
    try {
      if (!isKeeperAlive(file)) startKeeper(keeper);
    } finally {
      closeSync(lock);
    }
  };
  const begin = Date.now();
  const started = new Set<number>();
  const waits = () =>
    Date.now() < begin + (started.size >= FAILING_STARTS ? START_TIMEOUT.failing : START_TIMEOUT.slow);
  while (waits()) {
    startOnce(); // in each round: another command may have been killed while it started the keeper
    started.add(keptProcess(file));
    if (await answers(client)) return client;
    await sleep(10);
  }
  const tail = existsSync(logFile)
    ? readFileSync(logFile, "utf8").trim().split("\n").slice(-5).join("\n")
    : "";
  throw new BayError(
    "DAEMON_START",
    `bayd did not start within ${Math.round((Date.now() - begin) / 1000)} s${tail ? `; its log ends with:\n${tail}` : ""}`,
  );
}

/** Variables for bayd: the location of its settings and those of registries, and the proxies. */
export function passedOn(): string[] {
  const names = ["BAY_CONFIG", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "BAY_REGISTRY_STALL"];
  const proxies = ["http_proxy", "https_proxy", "no_proxy"].flatMap((name) => [name, name.toUpperCase()]);
  return [...names, ...proxies].flatMap((name) =>
    process.env[name] ? [`${name}=${process.env[name]}`] : [],
  );
}

/**
 * Stops the keeper and bayd. Containers keep running, unless they are to be stopped first, in the order of their
 * dependencies; the next bayd starts them again. Returns false if bayd did not run.
 */
export async function stopDaemon(roots: Roots, options: { containers?: boolean } = {}): Promise<boolean> {
  const { isAlive, signalProcess, stopKeeper } = await import("../../linux/index.ts");
  const kept = stopKeeper(join(roots.run, "keeper"));
  const started = kept ?? [];
  let isAsked = true;
  try {
    const query = options.containers ? "?containers=1" : "";
    await new Client(socketPath(roots)).json("POST", `/bay/v1/daemon/stop${query}`);
  } catch (error) {
    if (!hasCode(error, "NO_DAEMON", "DAEMON_LOST")) throw error;
    isAsked = false;
    // it was started a moment ago and does not listen yet
    for (const { pid, start } of started) signalProcess(pid, start, SIGNALS.SIGTERM);
  }
  const isThere = () =>
    (isAsked && existsSync(socketPath(roots))) || started.some(({ pid, start }) => isAlive(pid, start));
  for (let attempt = 0; attempt < 500 && isThere(); attempt++) await sleep(10);
  await removeGroups(roots);
  rmSync(join(roots.run, "stacks"), { recursive: true, force: true });
  return isAsked || kept !== undefined;
}

/** Removes bay's own cgroups if they have no containers: bayd may have been killed before it could do so. */
async function removeGroups(roots: Roots): Promise<void> {
  const { cgroupManager, removeLastGroup } = await import("../../linux/index.ts");
  const groups = cgroupManager(`/bay-${roots.tag}`);
  if (groups.list().every((name) => name === "shims")) await removeLastGroup(groups, "shims");
}
