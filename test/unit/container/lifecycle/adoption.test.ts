/** What the next bayd takes over, repairs and removes, and changes of running containers: networks, ports, names, limits. */
import { createSocket } from "node:dgram";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { decode, encode } from "dns-packet";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { AttachmentConfig, ContainerConfig, ContainerRecord } from "../../../../src/container/index.ts";
import type { NetworkConfig } from "../../../../src/network/index.ts";
import { loadBay, UnitBay, unloadBay } from "../../../support/unit-bay.ts";

let bay: UnitBay;
let modules: Awaited<ReturnType<typeof loadBay>>;
beforeAll(async () => {
  modules = await loadBay();
});
afterAll(unloadBay);
beforeEach(async () => {
  bay = await UnitBay.start();
});
afterEach(() => bay.stop());

const network = (name: string, third: number): NetworkConfig => ({
  name,
  stack: undefined,
  key: name,
  driver: "bridge",
  internal: false,
  subnet: `10.66.${third}.0/24`,
  gateway: undefined,
  mtu: undefined,
  labels: {},
});
const on = (...names: string[]): AttachmentConfig[] =>
  names.map((name) => ({ network: name, aliases: [], ipv4: undefined }));
const bridged = (changes: Partial<ContainerConfig> = {}): Partial<ContainerConfig> => ({
  networkMode: "bridge",
  networks: on("one"),
  ...changes,
});
const tokenOf = ({ id }: ContainerRecord) => id.slice(0, 16);
const linkNames = () =>
  bay.links
    .links()
    .list()
    .map(({ name }) => name);

describe("the next bayd", () => {
  it("supervises containers that run on, and their restart policy", async () => {
    const record = await bay.running("image: app\nrestart: always");
    await bay.restart();
    expect(bay.manager.get(record.id).state).toMatchObject({ status: "running", pid: record.state.pid });
    bay.kernel.running("serve")[0]!.exit(1);
    await bay.until(
      () => bay.kernel.running("serve").length === 1 && bay.manager.get(record.id).state.restartCount === 1,
    );
  });

  it("records ends that came while no bayd ran, with their exit codes", async () => {
    const ended = await bay.running();
    const lost = await bay.running("image: app\ncommand: [other]", { name: "lost" });
    await bay.restart(() => {
      bay.kernel.running("serve")[0]!.exit(9);
      const [other] = bay.kernel.running("other");
      bay.kernel.loseShim(other!);
      other!.exit(0);
    });
    expect(bay.manager.get(ended.id).state).toMatchObject({ status: "exited", exitCode: 9 });
    expect(bay.manager.get(lost.id).state).toMatchObject({ status: "exited", exitCode: 137 });
  });

  it("takes a machine that went down for the end of everything, and starts what should run", async () => {
    const stays = await bay.running("image: app\nrestart: unless-stopped", { name: "stays" });
    const ends = await bay.running("image: app\ncommand: [other]", { name: "ends" });
    await bay.restart(() => {
      for (const process of bay.kernel.processes.values()) {
        bay.kernel.loseShim(process);
        process.die(9);
      }
      for (const { id } of [stays, ends])
        modules.door.removeGroup(join(bay.roots.run, "containers", id.slice(0, 16), "program"));
      for (const name of readdirSync(join(bay.roots.run, "containers")))
        if (existsSync(join(bay.roots.run, "containers", name, "program")))
          writeFileSync(join(bay.roots.run, "containers", name, "program"), "");
    });
    expect(bay.manager.get(ends.id).state).toMatchObject({ status: "exited", exitCode: 255 });
    await bay.until(() => bay.manager.get(stays.id).state.status === "running");
  });

  it("keeps collecting the output of a container", async () => {
    const record = await bay.running();
    await bay.restart();
    const [process] = bay.kernel.running("serve");
    process!.print("after\n");
    process!.exit(0);
    await bay.until(() => bay.manager.get(record.id).state.status === "exited");
    const reader = new modules.container.LogReader(modules.container.logDirectory(bay.manager, record.id));
    expect([...reader.read(true)].map(({ bytes }) => bytes.toString())).toEqual(["after\n"]);
  });

  it("thaws a container that an earlier bayd held still, and not one that a user paused", async () => {
    const held = await bay.running("image: app", { name: "held" });
    const paused = await bay.running("image: app\ncommand: [other]", { name: "paused" });
    await bay.manager.pause(paused.id, true);
    bay.manager.cgroupOf(held.id).freeze(true);
    await bay.restart();
    expect(bay.manager.cgroupOf(held.id).isFrozen()).toBe(false);
    expect(bay.manager.cgroupOf(paused.id).isFrozen()).toBe(true);
    expect(bay.manager.get(paused.id).state.status).toBe("paused");
  });

  it("removes directories, cgroups, shims and namespaces that no record names", async () => {
    const record = await bay.running();
    const stray = "f".repeat(64);
    const directories = [
      join(bay.roots.root, "containers", stray),
      join(bay.roots.run, "containers", stray.slice(0, 16)),
      join(bay.roots.run, "build-x"),
    ];
    for (const directory of directories) mkdirSync(join(directory, "part"), { recursive: true });
    const group = bay.manager.cgroups.group(stray.slice(0, 16));
    group.create();
    const file = join(bay.roots.run, "execs", "0123456789abcdef");
    writeFileSync(file, "");
    await bay.restart();
    for (const path of [...directories, file]) expect(existsSync(path)).toBe(false);
    await bay.until(() => !group.exists());
    expect(bay.manager.get(record.id).state.status).toBe("running");
    expect(existsSync(modules.container.containerDirectory(bay.manager, record.id))).toBe(true);
  });

  it("takes over published ports and DNS of running containers", async () => {
    await bay.manager.networks.create(network("one", 1));
    const record = await bay.running("image: app\nports: ['127.0.0.1::80']", bridged());
    const [port] = record.state.boundPorts;
    await bay.restart();
    expect(bay.manager.get(record.id).state.boundPorts).toEqual([port]);
    expect(bay.manager.networks.ports.holds({ ...port!, container: record.config.name })).toBe(true);
    expect(bay.manager.networks.endpoints.dnsSockets(record.id)).toBeDefined();
  });
});

describe("networks of a running container", () => {
  beforeEach(async () => {
    for (const [name, third] of [
      ["one", 1],
      ["two", 2],
    ] as const)
      await bay.manager.networks.create(network(name, third));
  });

  it("are connected at the start, and gone after the end", async () => {
    const record = await bay.running("image: app", bridged({ networks: on("one", "two") }));
    expect(record.endpoints.map(({ network: name, interface: own }) => [name, own])).toEqual([
      ["one", "eth0"],
      ["two", "eth1"],
    ]);
    expect(linkNames()).toEqual(expect.arrayContaining(record.endpoints.map(({ link }) => link)));
    expect(bay.nft.listed(`bridge bay_${bay.roots.tag}`)).toContain(record.endpoints[0]!.link);
    await bay.manager.stop(record.id);
    for (const { link } of record.endpoints) expect(linkNames()).not.toContain(link);
  });

  it("change without a new start: one goes, one comes, one keeps its address", async () => {
    const record = await bay.running("image: app", bridged({ networks: on("one") }));
    const [before] = record.endpoints;
    await bay.manager.update(record.id, { ...record.config, networks: on("one", "two") });
    expect(record.endpoints[0]).toMatchObject({ address: before!.address, link: before!.link });
    const etc = join(modules.container.containerDirectory(bay.manager, record.id), "etc", "hosts");
    expect(readFileSync(etc, "utf8")).toContain(record.endpoints[1]!.address);
    await bay.manager.update(record.id, { ...record.config, networks: on("two") });
    expect(linkNames()).not.toContain(before!.link);
    expect(record.endpoints.map(({ network: name }) => name)).toEqual(["two"]);
    expect(bay.kernel.calls).toEqual(["launch serve"]);
  });

  it("are as before if a change fails", async () => {
    const record = await bay.running("image: app", bridged());
    const { endpoints } = record;
    await expect(
      bay.manager.update(record.id, { ...record.config, networks: on("one", "none") }),
    ).rejects.toMatchObject({ code: "NETWORK_NOT_FOUND" });
    expect(record.endpoints).toEqual(endpoints);
    expect(record.config.networks).toEqual(on("one"));
    expect(linkNames()).toContain(endpoints[0]!.link);
  });

  it("cannot be removed while they are used", async () => {
    const record = await bay.running("image: app", bridged());
    await expect(bay.manager.networks.remove("one")).rejects.toMatchObject({ code: "NETWORK_IN_USE" });
    await bay.manager.remove(record.id, { volumes: true, force: true });
    await bay.manager.networks.remove("one");
    expect(bay.manager.networks.get("one")).toBeUndefined();
  });

  it("get lost links and rules back by the pass, unless repair is off", async () => {
    const record = await bay.running("image: app", bridged());
    const [endpoint] = record.endpoints;
    const links = bay.links.links();
    links.remove(links.byName(endpoint!.link)!.index);
    bay.nft.flush();
    expect(await bay.manager.observe(false)).toEqual([]);
    expect(linkNames()).not.toContain(endpoint!.link);
    const repaired = await bay.manager.observe(true);
    expect(repaired.length).toBeGreaterThan(0);
    expect(linkNames()).toContain(endpoint!.link);
    expect(bay.nft.tables).toContain(`ip bay_${bay.roots.tag}`);
    expect(await bay.manager.observe(true)).toEqual([]);
  });

  it("answer the names of other containers, and not of those on other networks", async () => {
    await bay.running(
      "image: app\ncommand: [db]",
      bridged({ name: "db", networks: [{ ...on("one")[0]!, aliases: ["store"] }] }),
    );
    await bay.running("image: app\ncommand: [far]", bridged({ name: "far", networks: on("two") }));
    const asker = await bay.running("image: app", bridged());
    const { udp } = bay.manager.networks.endpoints.dnsSockets(asker.id)!;
    const port = Number(portOf(udp));
    const ask = (name: string) =>
      new Promise<ReturnType<typeof decode>>((resolve) => {
        const socket = createSocket("udp4");
        socket.once("message", (bytes) => {
          socket.close();
          resolve(decode(bytes));
        });
        socket.send(
          encode({ type: "query", id: 7, flags: 256, questions: [{ type: "A", name }] }),
          port,
          "127.0.0.11",
        );
      });
    const addressOf = ({ answers }: ReturnType<typeof decode>) =>
      answers?.map((each) => (each as { data: string }).data);
    const [db] = bay.manager.get("db").endpoints;
    expect(addressOf(await ask("db"))).toEqual([db!.address]);
    expect(addressOf(await ask("store"))).toEqual([db!.address]);
    expect(bay.manager.names.lastToldAt(bay.manager.get("db"))).toBeGreaterThan(0);
    expect(bay.manager.names.lastToldAt(bay.manager.get("far"))).toBe(0);
    await bay.manager.stop("db");
    const views = modules.container.findContainer(bay.manager.list(), "far");
    expect(views!.endpoints[0]!.network).toBe("two");
  });
});

/** The port of a socket of this process. */
function portOf(fd: number): number {
  const inode = /socket:\[(\d+)\]/.exec(readlinkSync(`/proc/self/fd/${fd}`))![1];
  const row = readFileSync("/proc/self/net/udp", "utf8")
    .split("\n")
    .find((line) => line.trim().split(/\s+/)[9] === inode);
  return Number.parseInt(row!.trim().split(/\s+/)[1]!.split(":")[1]!, 16);
}

describe("published ports", () => {
  const publish = "image: app\nports: ['127.0.0.1::80']";
  beforeEach(async () => {
    await bay.manager.networks.create(network("one", 1));
  });

  it("are held while the container runs, and have a rule", async () => {
    const record = await bay.running(publish, bridged());
    const [port] = record.state.boundPorts;
    expect(port).toMatchObject({ hostAddress: "127.0.0.1", containerPort: 80, protocol: "tcp" });
    expect(bay.nft.listed(`ip bay_${bay.roots.tag}`)).toContain(String(port!.hostPort));
    await expect(listen(port!.hostPort)).rejects.toMatchObject({ code: "EADDRINUSE" });
    await bay.manager.stop(record.id);
    expect(record.state.boundPorts).toEqual([]);
  });

  it("that another program uses prevent the start, with its name", async () => {
    const taken = await listen(0);
    const { port } = taken.address() as { port: number };
    const record = await bay.create(`image: app\nports: ['127.0.0.1:${port}:80']`, bridged());
    await expect(bay.manager.start(record.id)).rejects.toMatchObject({ code: "PORT_TAKEN" });
    expect(record.state).toMatchObject({ status: "created", exitCode: 128 });
    await new Promise((resolve) => taken.close(resolve));
    await bay.manager.start(record.id);
    expect(record.state.status).toBe("running");
  });

  it("change while the container runs, and are released by an update", async () => {
    const record = await bay.running(publish, bridged());
    const before = record.state.boundPorts[0]!.hostPort;
    await bay.manager.update(record.id, {
      ...record.config,
      ports: [{ hostAddress: "127.0.0.1", hostPort: undefined, containerPort: 81, protocol: "tcp" }],
    });
    expect(record.state.boundPorts).toMatchObject([{ containerPort: 81 }]);
    // the process that keeps ports bound for the next bayd lets go of it a moment later
    if (record.state.boundPorts[0]!.hostPort !== before)
      await vi.waitFor(async () => (await listen(before)).close(), { timeout: 60_000 });
  });
});

const listen = (port: number) =>
  new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });

describe("names and limits", () => {
  it("a name that another container has is refused", async () => {
    const record = await bay.running();
    await bay.create("image: app", { name: "other" });
    await expect(bay.manager.rename(record.id, "other")).rejects.toMatchObject({ code: "NAME_TAKEN" });
    await bay.manager.rename(record.id, "better");
    expect(bay.manager.get("better").id).toBe(record.id);
    expect(bay.manager.find("demo-web-1")).toBeUndefined();
    await expect(bay.create("image: app", { name: "better" })).rejects.toMatchObject({ code: "NAME_TAKEN" });
  });

  it("limits that another program changed are set again", async () => {
    const record = await bay.running("image: app\nmem_limit: 64m\ncpus: 0.5\npids_limit: 100");
    const cgroup = bay.manager.cgroupOf(record.id);
    expect(cgroup.read()).toMatchObject({
      memory: { limit: 64 << 20 },
      cpu: { quota: 50_000 },
      pids: { limit: 100 },
    });
    cgroup.apply({ cpu: { quota: 1000 } });
    expect(await bay.manager.observe(true)).toEqual(["container demo-web-1: limits"]);
    expect(cgroup.read().cpu?.quota).toBe(50_000);
  });

  it("an update that the kernel refuses leaves the old config", async () => {
    const record = await bay.running();
    const before = record.config;
    bay.kernel.cgroups.refusal = () => Object.assign(new Error("busy"), { code: "CGROUP_LIMIT" });
    const resources = { ...before.resources, memory: 1 << 20 };
    await expect(bay.manager.update(record.id, { ...before, resources })).rejects.toThrow("busy");
    expect(record.config).toBe(before);
    bay.kernel.cgroups.refusal = undefined;
  });

  it("a container of a cgroup parent makes the parent, and removes only what it made", async () => {
    const record = await bay.running("image: app\ncgroup_parent: /made/below");
    expect(bay.kernel.cgroups.paths()).toEqual(expect.arrayContaining(["/made", "/made/below"]));
    expect(bay.manager.cgroupOf(record.id).path).toBe(`/made/below/bay-${bay.roots.tag}-${tokenOf(record)}`);
  });
});

describe("a replacement", () => {
  it("takes over the name, the anonymous volume and the place of a stopped container", async () => {
    const config = await bay.configOf("image: app\nvolumes: [/data]");
    const before = await bay.manager.create(config);
    const [volume] = before.anonymousVolumes;
    const after = await bay.manager.replace(before.id, config, { graceMs: 0, renewVolumes: false });
    expect(after.config.name).toBe("demo-web-1");
    expect(after.anonymousVolumes).toEqual([volume]);
    expect(bay.manager.find(before.id)).toBeUndefined();
    const renewed = await bay.manager.replace(after.id, config, { graceMs: 0, renewVolumes: true });
    expect(renewed.anonymousVolumes).not.toEqual([volume]);
    expect(bay.manager.volumes.get(volume!)).toBeUndefined();
  });
});

describe("a task", () => {
  const task = (rest: object = {}) => ({
    name: "step",
    args: ["step"],
    env: [],
    workdir: "/",
    user: `${process.getuid!()}:${process.getgid!()}`,
    overlay: {
      layersDirectory: bay.manager.images.layers.directory,
      lower: [],
      upper: bay.folder,
      work: bay.folder,
    },
    mounts: [],
    network: "none" as const,
    extraHosts: [],
    hostname: "build",
    shmSize: 0,
    ulimits: {},
    insecure: false,
    onOutput: () => {},
    ...rest,
  });

  it("returns the exit code and passes on the output, and leaves nothing", async () => {
    bay.kernel.command("step", (process) => {
      process.print("hello");
      process.exit(2);
    });
    const output: string[] = [];
    const onOutput = (_: number, bytes: Buffer) => void output.push(bytes.toString());
    expect(await bay.manager.tasks.run(task({ onOutput }))).toBe(2);
    expect(output.join("")).toBe("hello");
    expect(readdirSync(join(bay.roots.run, "containers"))).toEqual([]);
    expect(readdirSync(join(bay.roots.root, "containers"))).toEqual([]);
  });

  it("that is aborted is killed", async () => {
    const abort = new AbortController();
    const running = bay.manager.tasks.run(task({ signal: abort.signal }));
    const process = await bay.kernel.next("step");
    abort.abort();
    await expect(running).rejects.toMatchObject({ code: "ABORTED" });
    expect(process.isAlive).toBe(false);
  });

  it("with a network shares namespaces with the next one, and they go at the end", async () => {
    bay.kernel.command("step", (process) => process.exit(0));
    const namespaceOf = async () => {
      await bay.manager.tasks.run(task({ network: "bridge" }));
      const { spec } = [...bay.kernel.processes.values()].at(-1)!.request as {
        spec: import("../../../../src/linux/index.ts").Spec;
      };
      return spec.linux.namespaces.find(({ type }) => type === "network")?.path;
    };
    const first = await namespaceOf();
    expect(await namespaceOf()).toBe(first);
    expect(existsSync(first!)).toBe(true);
    await bay.manager.tasks.tidy();
    expect(existsSync(first!)).toBe(false);
    expect(bay.manager.networks.get("bay_build")).toBeUndefined();
  });
});
