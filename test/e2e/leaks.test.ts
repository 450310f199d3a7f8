/** After many random operations, with bayd and its clients killed in between, the host has what the records need and no more. */
import { createHash, randomInt } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually, sleep } from "../support/bay.ts";
import { ask, askFor } from "../support/engine.ts";
import {
  descriptorsOf,
  type HostUse,
  type OwnProcess,
  runFilesOf,
  treeOf,
  useOf,
} from "../support/host-use.ts";
import type { Random } from "../support/leak-stacks.ts";
import { RandomOperations } from "../support/random-operations.ts";
import { Registry } from "../support/registry.ts";

const ROUNDS = Number(process.env.BAY_LEAK_ROUNDS ?? 20);
const SEED = Number(process.env.BAY_LEAK_SEED ?? randomInt(2 ** 31));
/** Operations that run at once. */
const AT_ONCE = 3;
const CHANCE_OF_KILL = 0.06;
/** Milliseconds. */
const LATEST_KILL = 400;
/** bayd lives on in the last part of the rounds, so that what they leave in it adds up. */
const WITH_KILLS = 0.7;
const SAMPLES = 60;
/** So many links that are gone may still be in the table against spoofing. */
const STALE_GUARDS = 64;
/** What goes on by itself has ended by then. */
const SETTLED = 120_000;

interface Inspected {
  Id: string;
  Name: string;
  RestartCount: number;
  State: { Running: boolean; Pid: number; Status: string };
  Config: { Cmd: string[]; Labels: Record<string, string>; Healthcheck?: object };
  HostConfig: { NetworkMode: string; AutoRemove: boolean; RestartPolicy: { Name: string } };
  NetworkSettings: {
    Ports: Record<string, { HostPort: string }[] | null>;
    Networks: Record<string, unknown>;
  };
}

interface Network {
  Name: string;
  Driver: string;
  EnableIPv6: boolean;
}

/** Numbers that follow from the seed. */
function randomOf(seed: number): Random {
  let block = Buffer.alloc(0);
  let serial = 0;
  return () => {
    if (block.length < 4) block = createHash("sha256").update(`${seed} ${serial++}`).digest();
    const value = block.readUInt32LE();
    block = block.subarray(4);
    return value / 2 ** 32;
  };
}

/** True for the first process of one of the containers, and for what descends from it. */
const descends = ({ pid, ancestors }: OwnProcess, first: ReadonlySet<number>): boolean =>
  [pid, ...ancestors].some((each) => first.has(each));

describe(`after ${ROUNDS} random operations (BAY_LEAK_SEED=${SEED})`, () => {
  const bay = new Bay();
  const random = randomOf(SEED);
  const history: string[] = [];
  /** What a bayd has that did everything once. */
  let usual: Record<string, number>;

  async function restartDaemon(): Promise<void> {
    const pid = bay.daemonPid();
    process.kill(pid, "SIGKILL");
    await eventually(() => expect(bay.daemonPid()).not.toBe(pid));
    await eventually(async () => expect((await ask(bay, "GET", "/_ping")).status).toBe(200));
  }

  /** What goes wrong says how to see it again, and what came before. */
  async function explained(check: () => Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      console.error(`BAY_LEAK_SEED=${SEED} BAY_LEAK_ROUNDS=${ROUNDS}`);
      console.error(`${history.slice(-120).join("\n")}\n${bay.log().slice(-4000)}`);
      throw error;
    }
  }

  async function containers(): Promise<Inspected[]> {
    const { status, body } = await ask(bay, "GET", "/containers/json?all=1");
    expect([status, body]).toEqual([200, expect.any(String)]); // 0 where the connection was lost
    const rows = JSON.parse(body) as { Id: string }[];
    const all = await Promise.all(
      rows.map(({ Id }) => askFor<Inspected>(bay, "GET", `/containers/${Id}/json`)),
    );
    return all.flatMap((each) => each ?? []);
  }

  /** The least of each kind over a while: probes and workers come and go. */
  async function settledDescriptors(): Promise<Record<string, number>> {
    let least: Record<string, number> | undefined;
    for (let sample = 0; sample < SAMPLES; sample++) {
      const counts = descriptorsOf(bay);
      least ??= counts;
      least = Object.fromEntries(
        Object.entries(least).flatMap(([kind, count]) =>
          counts[kind] === undefined ? [] : [[kind, Math.min(count, counts[kind])]],
        ),
      );
      await sleep(50);
    }
    return least!;
  }

  /** Has bayd load and start what it keeps from the first use on. */
  async function useOnce(): Promise<void> {
    bay.write("FROM scratch\nCOPY . /\nRUN true\n", "Dockerfile.once");
    bay.ok("image", "build", "-q", "--no-cache", "-t", "leak/once", "-f", "Dockerfile.once", "../busybox");
    const services = {
      a: { image: "leak/once", command: "sleep 1000", ports: ["80"], tty: true },
      b: { image: "leak/once", command: "sleep 1000", volumes: ["/etc"] },
    };
    bay.write(JSON.stringify({ name: "leak-once", services }), "once.yaml");
    for (const args of [
      ["image", "tag", "leak/once", remote()],
      ["image", "push", remote()],
      ["image", "rm", remote()],
      ["image", "pull", remote()],
      ["up", "-d"],
      ["exec", "-T", "b", "true"],
      ["cp", "word", "b:/word"],
      ["cp", "b:/bin", join(bay.folder, "copied")],
      ["logs"],
      ["down", "-v", "-t", "0"],
    ])
      bay.ok("-f", "once.yaml", ...args);
  }

  /** The kinds of which `counts` has more than `usual`. */
  const excess = (counts: Record<string, number>, usual: Record<string, number>) =>
    Object.entries(counts).flatMap(([kind, count]) =>
      count > (usual[kind] ?? 0) ? [`${kind}: ${count}, usual: ${usual[kind] ?? 0}`] : [],
    );

  /** Descriptors by kind, and what bayd itself counts: requests that are open, and who waits for its events. */
  async function settledUse(): Promise<Record<string, number>> {
    const own = (await askFor<{ requests: number; listeners: number }>(bay, "GET", "/bay/v1/daemon"))!;
    return { ...(await settledDescriptors()), requests: own.requests, listeners: own.listeners };
  }

  async function operate(): Promise<void> {
    const operations = new RandomOperations(bay, remote(), (text) => history.push(text));
    await useOnce();
    usual = await settledUse();
    bay.ok("image", "tag", "leak/once", "leak/app:1");
    const running = new Set<Promise<void>>();
    const failures: unknown[] = [];
    for (let round = 0; round < ROUNDS && failures.length === 0; round++) {
      if (random() < CHANCE_OF_KILL && round < ROUNDS * WITH_KILLS) {
        const delay = random() * LATEST_KILL;
        await sleep(delay); // for the operations that run to get anywhere
        history.push("kill -9 of bayd");
        await restartDaemon();
      }
      const { name, run } = operations.choose(random);
      history.push(`${round}: ${name}`);
      const done: Promise<void> = run()
        .catch((error: unknown) => void failures.push(error))
        .finally(() => running.delete(done));
      running.add(done);
      if (running.size >= AT_ONCE) await Promise.race(running);
    }
    await Promise.all(running);
    if (failures.length > 0) throw failures[0];
  }

  /** What ends and starts again by itself would change under the checks. */
  async function calm(): Promise<void> {
    for (const { Id, Config, HostConfig } of await containers())
      if (HostConfig.RestartPolicy.Name !== "no" || Config.Cmd.join(" ").includes("exit"))
        await ask(bay, "POST", `/containers/${Id}/stop?t=0`);
  }

  let registry: Registry;
  const remote = () => `${registry.host}/leak/app:1`;

  beforeAll(() =>
    explained(async () => {
      registry = await Registry.start();
      await operate();
      await calm();
    }),
  );
  afterAll(async () => {
    bay.close();
    await registry?.stop();
  });

  const shortIds = (list: readonly Inspected[]) => list.map(({ Id }) => Id.slice(0, 16)).sort();
  const hasPorts = ({ NetworkSettings }: Inspected) =>
    Object.values(NetworkSettings.Ports).some((bindings) => (bindings?.length ?? 0) > 0);

  /** Each container has a shim, and at most one health probe; no command of a client runs any more. */
  function checkProcesses({ processes, groups }: HostUse, alive: readonly Inspected[]): void {
    const isProbe = ({ words, group }: OwnProcess) =>
      group === undefined &&
      alive.some(({ Name, Config }) => Config.Healthcheck && words === `bay-exec ${Name.slice(1)}`);
    const probes = processes.filter(isProbe);
    expect(new Set(probes.map(({ words }) => words)).size).toBe(probes.length);
    // a container that was renamed has a shim with the old name
    const own = processes
      .filter((each) => each.group === undefined && !probes.includes(each))
      .map(({ words }) => words.replace(/^bay-shim .*/, "bay-shim"));
    const ports = alive.some(hasPorts) ? ["bay-ports"] : [];
    expect(own.sort()).toEqual([...alive.map(() => "bay-shim"), "bayd", "bay-keeper", ...ports].sort());

    const parents = new Set([...alive.map(({ State }) => State.Pid), ...probes.map(({ pid }) => pid)]);
    const inside = processes.filter(({ group }) => group !== undefined);
    expect(inside.filter((each) => !descends(each, parents))).toEqual([]);

    const ofProbes = groups.filter((path) => /^\/[^/]+\/bayd-/.test(path)); // they come and go
    expect(ofProbes.length).toBeLessThanOrEqual(2 * alive.length);
    expect(groups.filter((path) => path !== "" && !ofProbes.includes(path))).toEqual(
      ["/shims", ...shortIds(alive).map((id) => `/${id}`)].sort(),
    );
  }

  /** Each container has a namespace and a link for each of its networks, and each network a bridge. */
  function checkNetwork(use: HostUse, alive: readonly Inspected[], networks: readonly Network[]): void {
    const namespaces = shortIds(
      alive.filter(({ HostConfig }) => !/^(host|none|container:)/.test(HostConfig.NetworkMode)),
    );
    expect(use.mounts).toEqual(namespaces.map((id) => `run/netns/${id}`));
    expect(use.files["run/netns"]).toEqual(namespaces);

    const names = alive.flatMap(({ NetworkSettings }) => Object.keys(NetworkSettings.Networks));
    const attached = names.filter((name) => !["none", "host"].includes(name));
    expect(use.links.filter((name) => name.startsWith("ve"))).toHaveLength(attached.length);
    const bridged = networks.filter(
      ({ Name, Driver }) => Driver === "bridge" && !["bridge", "none", "host"].includes(Name),
    );
    expect(use.links.filter((name) => name.startsWith("bay"))).toHaveLength(bridged.length);
    checkRules(use, alive, bridged);
  }

  /** The tables name the bridges, links and published ports that exist. */
  function checkRules(
    { tables, links }: HostUse,
    alive: readonly Inspected[],
    networks: readonly Network[],
  ): void {
    const bridges = links.filter((name) => name.startsWith("bay"));
    const ends = links.filter((name) => name.startsWith("ve"));
    const ports = alive.flatMap(({ NetworkSettings }) =>
      Object.entries(NetworkSettings.Ports).flatMap(([key, bindings]) =>
        (bindings ?? []).map(({ HostPort }) => `${key.split("/")[1]} ${HostPort}`),
      ),
    );
    expect(Object.keys(tables).filter((family) => family !== "bridge")).toEqual(
      networks.length === 0 ? [] : networks.some(({ EnableIPv6 }) => EnableIPv6) ? ["ip", "ip6"] : ["ip"],
    );
    for (const family of ["ip", "ip6"] as const) {
      const table = tables[family];
      if (!table) continue;
      expect([...table.bridges!].sort()).toEqual(bridges);
      const led = [...table.ports!, ...table.addressed!].map((key) => key.split(" ").slice(-2).join(" "));
      if (family === "ip") expect([...new Set(led)].sort()).toEqual([...new Set(ports)].sort());
      else expect(led.filter((key) => !ports.includes(key))).toEqual([]);
    }
    const guarded = tables.bridge?.guarded ?? [];
    expect(ends.filter((name) => !guarded.includes(name))).toEqual([]);
    // those of links that are gone are removed many at once
    expect(guarded.filter((name) => !ends.includes(name)).length).toBeLessThanOrEqual(STALE_GUARDS);
  }

  /** Containers and volumes have their directories, and those that run their programs and FIFOs. */
  function checkFiles({ files }: HostUse, all: readonly Inspected[], volumes: readonly string[]): void {
    expect(files["root/containers"]).toEqual(all.map(({ Id }) => Id).sort());
    const known = shortIds(all);
    expect(files["run/containers"]!.filter((name) => !known.includes(name))).toEqual([]);
    for (const { Id, State } of all) {
      const has = runFilesOf(bay, Id);
      expect(has.includes("program")).toBe(State.Running);
    }
    const running = all.filter(({ State }) => State.Running);
    const probed = running.filter(({ Config }) => Config.Healthcheck);
    expect(files["run/execs"]!.length).toBeLessThanOrEqual(probed.length);
    expect(files["run/rootfs"]).toEqual([]);
    expect(files.run!.filter((name) => name.startsWith("build-"))).toEqual([]);
    expect(files["run/ports"]).toHaveLength(running.some(hasPorts) ? 2 : 0);
    expect(files["half-written"]).toEqual([]);
    // a removal that was interrupted has a record without files, which is removed by the next one
    expect(files["root/volumes"]!.filter((name) => !volumes.includes(name))).toEqual([]);
  }

  it("has what its containers need: processes, mounts, groups, links, rules and files", () =>
    explained(() =>
      eventually(async () => {
        const all = await containers();
        const alive = all.filter(({ State }) => State.Running);
        const networks = (await askFor<Network[]>(bay, "GET", "/networks"))!;
        const { Volumes } = (await askFor<{ Volumes: { Name: string }[] }>(bay, "GET", "/volumes"))!;
        const use = useOf(bay);
        checkProcesses(use, alive);
        checkNetwork(use, alive, networks);
        const volumes = Volumes.map(({ Name }) => Name);
        checkFiles(use, all, volumes);
      }, SETTLED),
    ));

  it("has no container that was to go with its client", () =>
    explained(() =>
      eventually(async () => {
        const left = (await containers()).filter(
          ({ Config, HostConfig, State }) =>
            HostConfig.AutoRemove && Config.Labels["com.docker.compose.oneoff"] === "True" && !State.Running,
        );
        expect(left.map(({ Name, State }) => [Name, State.Status])).toEqual([]);
      }, SETTLED),
    ));

  it("keeps no descriptor, request or listener in bayd after its containers were removed", () =>
    explained(async () => {
      for (const name of ["leak-one", "leak-two"]) bay.run(["-p", name, "down", "-v", "-t", "0"]);
      for (const { Id } of await containers()) await ask(bay, "DELETE", `/containers/${Id}?force=1&v=1`);
      expect(await containers()).toEqual([]);
      await eventually(async () => expect(excess(await settledUse(), usual)).toEqual([]), SETTLED);
    }));

  it("has nothing left on the host after everything was removed", () =>
    explained(async () => {
      for (const name of ["leak-one", "leak-two", "leak-once"]) bay.ok("-p", name, "down", "-v", "-t", "0");
      bay.ok("system", "prune", "-a", "-f", "--volumes");
      bay.ok("volume", "prune", "-a", "-f"); // those with a name, that a client of the API has created
      bay.ok("daemon", "stop");
      await eventually(() => {
        const { files: _, ...use } = useOf(bay);
        expect(use).toEqual({ processes: [], mounts: [], groups: [], links: [], tables: {} });
        expect(treeOf(bay)).toEqual([]);
      });
    }));

  it("has a log without a crash, an uncaught error or a descriptor that another thread opened", () =>
    explained(async () => {
      const faults = /previous bayd (?!was ended by SIGKILL)|uncaught:|unmanaged mode/;
      expect(
        bay
          .log()
          .split("\n")
          .filter((line) => faults.test(line)),
      ).toEqual([]);
    }));
});
