/**
 * Random operations at random speed, with bayd killed and containers replaced in between: when all is quiet, the trees of the
 * host and the container are equal. BAY_LONG=1 runs more rounds.
 */
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { isLong, rounds } from "../support/long.ts";
import { inContainer, treeOf, Watching } from "../support/watching.ts";

/** The long run looks for seeds that fail, and the short one repeats the same. BAY_SEEDS repeats those that failed. */
const SEEDS = process.env.BAY_SEEDS
  ? process.env.BAY_SEEDS.split(",").map(Number)
  : Array.from({ length: rounds({ usual: 6, long: 100 }) }, (_, round) =>
      isLong ? (Date.now() % 1_000_000) + round : 874_340 + round,
    );
const OPERATIONS = 60;
const DISTURBANCES = ["none", "kill", "replace", "restart", "kill twice"] as const;

/** A small generator, so that a failure can be repeated by its seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Follows links; one that leads to itself is none. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

describe("random operations under watch", () => {
  const bay = new Bay();
  const host = join(bay.folder, "stack", "src");
  let watching: Watching;
  beforeAll(async () => {
    bay.busybox();
    mkdirSync(host, { recursive: true });
    bay.write(`name: random
images: { box: { rootfs: ../busybox } }
services:
  web:
    image: box
    command: sleep 100000
    stop_grace_period: 0s
    network_mode: none
    develop: { watch: [{ path: src, action: sync, target: /app, initial_sync: true }] }
`);
    watching = await new Watching(bay).begun();
  });
  afterAll(async () => {
    await watching.stop();
    bay.close();
  });

  const operate = (random: () => number) => {
    const below: string[] = [];
    const walk = (at: string) => {
      below.push(at);
      if (isDirectory(join(host, at)) && below.length < 200)
        for (const name of readdirSync(join(host, at))) walk(join(at, name));
    };
    for (const name of readdirSync(host)) walk(name);
    const any = () => join(host, below[Math.floor(random() * below.length)] ?? "none");
    const fresh = () => {
      const directory = random() < 0.5 ? host : any();
      return join(isDirectory(directory) ? directory : host, "abcdef"[Math.floor(random() * 6)]!);
    };
    const kinds = [
      () => writeFileSync(fresh(), String(random())),
      () => writeFileSync(any(), String(random())),
      () => mkdirSync(fresh()),
      () => rmSync(any(), { recursive: true, force: true }),
      () => renameSync(any(), fresh()),
      () => chmodSync(any(), random() < 0.5 ? 0o755 : 0o700),
      () => symlinkSync(random() < 0.5 ? "none" : "b", fresh()),
      () => linkSync(any(), fresh()),
    ];
    try {
      kinds[Math.floor(random() * kinds.length)]!();
    } catch {
      // the operation does not fit what exists
    }
  };

  const container = () => treeOf(inContainer(bay, "random-web-1", "/app"));
  const kill = () => process.kill(bay.daemonPid(), "SIGKILL");

  it.each(SEEDS)("with the seed %i", async (seed) => {
    const random = randomOf(seed);
    const disturbance = DISTURBANCES[Math.floor(random() * DISTURBANCES.length)];
    const at = Math.floor(random() * OPERATIONS);
    let disturbed: Promise<unknown> = Promise.resolve();
    for (let step = 0; step < OPERATIONS; step++) {
      operate(random);
      if (random() < 0.2) await sleep(random() * 60);
      if (step !== at) continue;
      if (disturbance === "kill") kill();
      else if (disturbance === "replace") disturbed = bay.call(["up", "-d", "--force-recreate"]);
      else if (disturbance === "restart") disturbed = bay.call(["restart", "-t", "0"]);
      else if (disturbance === "kill twice") {
        const first = bay.daemonPid();
        kill();
        disturbed = eventually(() => {
          expect(bay.daemonPid()).not.toBe(first);
          kill();
        });
      }
    }
    await disturbed;
    // links may lead to directories, and modes of links do not exist
    let found = {};
    await watching.settled(
      () => {
        found = container();
        expect(found, disturbance).toEqual(treeOf(host));
      },
      () => found,
    );
  });
});
