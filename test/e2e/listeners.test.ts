/** Random and broken requests against every listener of bayd end nothing, and leave nothing behind. `npm run fuzz` sends more. */
import { readdirSync, readlinkSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { askFor } from "../support/engine.ts";
import { FuzzDoors } from "../support/fuzz-doors.ts";
import { type FuzzTarget, fuzzHttp } from "../support/http-fuzz.ts";
import { rounds } from "../support/long.ts";

const REQUESTS = rounds({ usual: 300, long: 3000 });
/** Bodies that stop half-way, and handshakes, are waited for. */
const LIMIT = 300_000;

describe("bayd's listeners", () => {
  const bay = new Bay();
  const container = "doors-web-1";
  const doors = new FuzzDoors(bay, container);
  const seed = Number(process.env.BAY_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 32));
  let targets: Record<string, FuzzTarget> = {};
  let usual: { requests: number; listeners: number; descriptors: number };

  beforeAll(async () => {
    bay.busybox();
    const ports = await doors.prepare();
    bay
      .write(
        "name: doors\nimages: { box: { rootfs: ../busybox } }\nservices: { web: { image: box, command: sleep 1000000, stop_grace_period: 0s } }\n",
      )
      .ok("up", "-d");
    targets = await doors.open(ports);
    // everything is loaded then
    for (const target of Object.values(targets)) await fuzzHttp(target, 100, seed);
    const descriptors = await settledDescriptors();
    usual = { requests: 1, listeners: Number.POSITIVE_INFINITY, descriptors };
    const { listeners } = await counts();
    usual.listeners = listeners;
  });
  afterAll(() => {
    bay.close();
    doors.close();
  });

  const counts = async () =>
    (await askFor<{ pid: number; requests: number; listeners: number }>(bay, "GET", "/bay/v1/daemon"))!;

  /** Those of connections, which end; files of logs and of the store are opened when they are needed. */
  const sockets = (): number =>
    readdirSync(`/proc/${bay.daemonPid()}/fd`).filter((fd) => {
      try {
        return readlinkSync(`/proc/${bay.daemonPid()}/fd/${fd}`).startsWith("socket:");
      } catch {
        return false; // it was closed in between
      }
    }).length;

  /** When the handshakes and bodies of the first requests have ended. */
  async function settledDescriptors(): Promise<number> {
    await eventually(async () => expect((await counts()).requests).toBe(1), LIMIT);
    // the listeners, the socket of the request before, and those for other programs
    await eventually(() => expect(sockets()).toBeLessThan(40), LIMIT);
    return sockets();
  }

  it.each([
    "the socket",
    "a TCP port, with a certificate",
    "a TCP port, without a certificate",
    "a TCP port, without TLS",
    "the port for other hosts, as a member",
    "the port for other hosts, as a stranger",
    "the port for other hosts, without TLS",
    "the port for webhooks",
  ])("survive broken requests to %s", async (name) => {
    const { pid } = await counts();
    await fuzzHttp(targets[name]!, REQUESTS, seed);
    expect((await counts()).pid, `seed ${seed}\n${bay.log()}`).toBe(pid);
    expect(bay.log(), `seed ${seed}`).not.toContain("uncaught");
    expect(bay.ps()[0]?.State).toBe("running");
    await eventually(async () => {
      const now = await counts();
      expect(now.requests, `requests, seed ${seed}`).toBeLessThanOrEqual(usual.requests);
      expect(now.listeners, `listeners, seed ${seed}`).toBeLessThanOrEqual(usual.listeners);
      expect(sockets(), `sockets, seed ${seed}`).toBeLessThanOrEqual(usual.descriptors + 1);
    }, LIMIT);
  });
});
