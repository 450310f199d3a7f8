/**
 * Random and broken requests against every listener of a bayd of this run's own, which must hold nothing of them afterwards.
 * Needs root.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { Client } from "../../src/daemon/client.ts";
import { Bay, eventually } from "../support/bay.ts";
import { FuzzDoors } from "../support/fuzz-doors.ts";
import { fuzzHttp } from "../support/http-fuzz.ts";

/** Bodies that stop half-way are waited for this long, and more. */
const LIMIT = 180_000;
const CONTAINER = "fuzz-web-1";
/** The socket gets all requests, and each of the other listeners this part of them. */
const PART_OF_OTHERS = 0.05;
/** Files that bayd opens when a listener is used for the first time, and keeps. */
const OPENED_BY_USE = 4;

const STACK = `
name: fuzz
images: { box: { rootfs: ../busybox } }
services:
  web: { image: box, command: sleep 1000000, stop_grace_period: 0s, init: true, stdin_open: true }
`;

interface Counts {
  pid: number;
  /** Bytes of resident memory. */
  memory: number;
  requests: number;
  listeners: number;
  descriptors: number;
}

/**
 * Sends BAY_FUZZ_REQUESTS (100,000), by the seed BAY_FUZZ_SEED where it is given. Throws where bayd or the container
 * ended, and where bayd does not answer, or holds more requests, listeners or descriptors than before.
 */
export async function fuzz(): Promise<void> {
  const { BAY_FUZZ_REQUESTS, BAY_FUZZ_SEED } = process.env;
  const count = Number(BAY_FUZZ_REQUESTS ?? 100_000);
  const seed = BAY_FUZZ_SEED ? Number(BAY_FUZZ_SEED) : Math.floor(Math.random() * 2 ** 32);
  const bay = new Bay();
  const doors = new FuzzDoors(bay, CONTAINER);
  try {
    bay.busybox();
    const ports = await doors.prepare();
    bay.write(STACK).ok("up", "-d");
    const client = new Client(bay.socket);
    let most = Number.POSITIVE_INFINITY;
    for (const [name, target] of Object.entries(await doors.open(ports))) {
      // everything is loaded then
      await fuzzHttp(target, 500, seed);
      const before = await settled(client, { requests: 1, listeners: Infinity, descriptors: most });
      const started = Date.now();
      const share = name === "the socket" ? 1 : PART_OF_OTHERS;
      const sent = await fuzzHttp(target, Math.ceil(count * share), seed);
      const seconds = Math.round((Date.now() - started) / 1000);
      const after = await settled(client, before);
      most = Math.max(before.descriptors, after.descriptors) + OPENED_BY_USE;
      if (after.pid !== before.pid) throw new Error("bayd ended");
      if (bay.log().includes("uncaught")) throw new Error("bayd logged an error that no handler caught");
      const { State } = await client.json<{ State: { Running: boolean } }>(
        "GET",
        `/containers/${CONTAINER}/json`,
      );
      if (!State.Running) throw new Error("the container ended");
      console.log(
        `http, ${name}: ${sent} requests in ${seconds} s, seed ${seed}: bayd answers, and holds no request; memory ${shownMemory(before)} before and ${shownMemory(after)} after, descriptors ${before.descriptors} and ${after.descriptors}`,
      );
    }
  } catch (cause) {
    throw new Error(`http: seed ${seed}\n${bay.log()}`, { cause });
  } finally {
    bay.close();
    doors.close();
  }
}

const shownMemory = ({ memory }: Counts) => `${Math.round(memory / (1 << 20))} MiB`;

/** Waits until bayd holds no more than before. */
async function settled(
  client: Client,
  before: Pick<Counts, "requests" | "listeners" | "descriptors">,
): Promise<Counts> {
  let now = await counts(client);
  await eventually(async () => {
    now = await counts(client);
    for (const key of ["requests", "listeners", "descriptors"] as const)
      if (now[key] > before[key]) throw new Error(`bayd holds ${now[key] - before[key]} ${key} more`);
  }, LIMIT);
  return now;
}

async function counts(client: Client): Promise<Counts> {
  const answer = await client.json<Omit<Counts, "descriptors">>("GET", "/bay/v1/daemon");
  return { ...answer, descriptors: descriptorsOf(answer.pid) };
}

/** Without the logs of containers, which are opened when the first line comes. */
function descriptorsOf(pid: number): number {
  if (readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ")) throw new Error("bayd ended");
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return !readlinkSync(`/proc/${pid}/fd/${fd}`).includes("/logs/");
    } catch {
      return false; // it was closed in between
    }
  }).length;
}
