/** Random and broken requests against a bayd of this run's own, which must hold nothing of them afterwards. Needs root. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { Client } from "../../src/daemon/client.ts";
import { Bay, eventually } from "../support/bay.ts";
import { fuzzHttp } from "../support/http-fuzz.ts";

/** Bodies that stop half-way are waited for this long, and more. */
const LIMIT = 180_000;
const CONTAINER = "fuzz-web-1";

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
  try {
    bay.busybox();
    bay.write(STACK).ok("up", "-d");
    const target = { socketPath: bay.socket, container: CONTAINER };
    const client = new Client(bay.socket);
    // everything is loaded then
    await fuzzHttp(target, 500, seed);
    const before = await settled(client, { requests: 1, listeners: Infinity, descriptors: Infinity });
    const started = Date.now();
    const sent = await fuzzHttp(target, count, seed);
    const seconds = Math.round((Date.now() - started) / 1000);
    const after = await settled(client, before);
    if (after.pid !== before.pid) throw new Error("bayd ended");
    if (bay.log().includes("uncaught")) throw new Error("bayd logged an error that no handler caught");
    const { State } = await client.json<{ State: { Running: boolean } }>(
      "GET",
      `/containers/${CONTAINER}/json`,
    );
    if (!State.Running) throw new Error("the container ended");
    console.log(
      `http: ${sent} requests in ${seconds} s, seed ${seed}: bayd answers, and holds no request; memory ${shownMemory(before)} before and ${shownMemory(after)} after, descriptors ${before.descriptors} and ${after.descriptors}`,
    );
  } catch (cause) {
    throw new Error(`http: seed ${seed}\n${bay.log()}`, { cause });
  } finally {
    bay.close();
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
