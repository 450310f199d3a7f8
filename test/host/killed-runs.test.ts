/** What a killed test run left is removed by the next one, and nothing of a run that goes on. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { afterAll, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { useOf, useWithoutFiles } from "../support/host-use.ts";
import { Machine } from "../support/machines.ts";
import { type Owner, own, startOf, sweep } from "../support/owned.ts";

const STACK = `
name: left
images: { box: { rootfs: ../busybox } }
services:
  web: { image: box, command: sleep 1000000, ports: ["127.0.0.1::80"], restart: always }
`;
const [killed, alive] = [new Bay(), new Bay()];
const namespace = `t${process.pid.toString(36)}left`;
afterAll(() => {
  alive.close();
  killed.close();
  spawnSync("ip", ["netns", "del", namespace]);
});

/** A process that has ended, as the worker of a killed run. */
async function endedOwner(): Promise<Owner> {
  const child = spawn("sleep", ["1000000"]);
  const owner = { pid: child.pid!, start: startOf(child.pid!)! };
  child.kill("SIGKILL");
  await once(child, "close");
  return owner;
}

it("leave nothing behind the next run", async () => {
  for (const bay of [killed, alive]) {
    bay.busybox();
    bay.write(STACK).ok("up", "-d");
  }
  new Machine(namespace);
  const sleeper = spawn("nsenter", [`--net=/run/netns/${namespace}`, "sleep", "1000000"]);
  const ended = once(sleeper, "close");
  await eventually(() => expect(useOf(killed).processes.length).toBeGreaterThan(3));

  sweep();
  expect(useOf(killed).processes.length, "its owner, this process, goes on").toBeGreaterThan(3);

  const owner = await endedOwner();
  own("folder", killed.folder, owner);
  own("netns", namespace, owner);
  sweep();
  await ended;
  expect(existsSync(killed.folder)).toBe(false);
  expect(existsSync(`/run/netns/${namespace}`)).toBe(false);
  expect(useWithoutFiles(killed)).toEqual({ processes: [], mounts: [], groups: [], links: [], tables: {} });

  expect(alive.ps()[0]).toMatchObject({ State: "running" });
});
