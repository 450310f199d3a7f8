/** Starting bayd from the command where none runs, and ending it. */
import { closeSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BayError, hasCode } from "../../core/errors.ts";
import { makeRoots, type Roots, socketPath } from "../../core/roots.ts";
import { SIGNALS } from "../../core/signals.ts";
import { checkStateFormat } from "../../store/index.ts";
import { Client } from "../client.ts";

/** Milliseconds for a start that fails again and again, and for one on a slow machine. */
const START_TIMEOUT = { failing: 10_000, slow: 60_000 };
/** The keeper has started so many: the first ones have failed. */
const FAILING_STARTS = 3;

/** One pool of memory for all of bayd's threads: each thread's own keeps what a burst took, 10 MB after some of them. */
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

/** A client of a running bayd; one is started, with its keeper, where none runs. Throws DAEMON_START, NEWER_STATE. */
export async function ensureDaemon(
  roots: Roots,
  command: string[],
  options: { repair: boolean },
): Promise<Client> {
  const client = new Client(socketPath(roots));
  if (await answers(client)) return client;
  if (process.getuid?.() !== 0)
    throw new BayError("NOT_ROOT", "starting containers needs root", { hint: "run it with sudo" });
  checkStateFormat(join(roots.root, "state")); // the keeper would start a bayd that refuses it again and again
  makeRoots(roots);
  mkdirSync(roots.run, { recursive: true, mode: 0o700 });
  const { isKeeperAlive, keptProcess, startKeeper, tryLock } = await import("../../linux/index.ts");
  const logFile = join(roots.root, "bayd.log");
  // a keeper that runs brings bayd back by itself
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
  // one command at a time: two keepers would start two daemons for ever
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

/** Variables that bayd is given: where its settings and those of registries are, and the proxies on the way to them. */
export function passedOn(): string[] {
  const names = ["BAY_CONFIG", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "BAY_REGISTRY_STALL"];
  const proxies = ["http_proxy", "https_proxy", "no_proxy"].flatMap((name) => [name, name.toUpperCase()]);
  return [...names, ...proxies].flatMap((name) =>
    process.env[name] ? [`${name}=${process.env[name]}`] : [],
  );
}

/**
 * Ends the keeper and bayd. Containers keep running, unless they are to be stopped first, in the order of their
 * dependencies; the next bayd starts them again. False where none ran.
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
    // it does not listen yet: it has just been started
    for (const { pid, start } of started) signalProcess(pid, start, SIGNALS.SIGTERM);
  }
  const isThere = () =>
    (isAsked && existsSync(socketPath(roots))) || started.some(({ pid, start }) => isAlive(pid, start));
  for (let attempt = 0; attempt < 500 && isThere(); attempt++) await sleep(10);
  await removeGroups(roots);
  rmSync(join(roots.run, "stacks"), { recursive: true, force: true });
  return isAsked || kept !== undefined;
}

/** Removes bay's own cgroups where no container has one: bayd may have been killed before it could. */
async function removeGroups(roots: Roots): Promise<void> {
  const { cgroupManager, removeLastGroup } = await import("../../linux/index.ts");
  const groups = cgroupManager(`/bay-${roots.tag}`);
  if (groups.list().every((name) => name === "shims")) await removeLastGroup(groups, "shims");
}
