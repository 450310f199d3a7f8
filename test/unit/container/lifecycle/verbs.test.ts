import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ContainerPorts } from "../../../../src/container/lifecycle/container-ports.ts";
import { Creation } from "../../../../src/container/lifecycle/creation.ts";
import { FileWaits } from "../../../../src/container/lifecycle/file-waits.ts";
import { LiveUpdate } from "../../../../src/container/lifecycle/live-update.ts";
import { Pausing } from "../../../../src/container/lifecycle/pausing.ts";
import { Removal } from "../../../../src/container/lifecycle/removal.ts";
import { Replacement } from "../../../../src/container/lifecycle/replacement.ts";
import type { ContainerConfig } from "../../../../src/container/model/config.ts";
import { EventLog } from "../../../../src/container/model/events.ts";
import type { Host } from "../../../../src/container/model/host.ts";
import type { ContainerRecord } from "../../../../src/container/model/record.ts";
import { Records } from "../../../../src/container/model/records.ts";
import { BayError } from "../../../../src/core/errors.ts";
import { desiredConfig } from "../../../../src/reconcile/index.ts";
import { IMAGE } from "../../../support/actual.ts";
import { MemoryStore } from "../../../support/memory-store.ts";
import { loadText } from "../../../support/stack.ts";

const { stack } = loadText(`
services:
  web: { image: app, ports: ["8080:80"], volumes: [/data] }
`);
const config = (rest: Partial<ContainerConfig> = {}): ContainerConfig => ({
  ...desiredConfig(stack, stack.services.web!, 1, IMAGE),
  ...rest,
});

/** The rooms below as notes of what they are asked for. */
class Bench {
  readonly root = mkdtempSync(join(tmpdir(), "bay-lifecycle-"));
  readonly store = new MemoryStore();
  readonly records = new Records(this.store);
  readonly events = new EventLog();
  readonly calls: string[] = [];
  readonly failing = new Map<string, Error>();
  readonly held = new Map<string, string>();
  #addresses = 2;

  readonly note = (verb: string, value: unknown = ""): void => {
    this.calls.push(`${verb} ${String(value)}`.trim());
    const error = this.failing.get(verb);
    if (error) throw error;
  };

  readonly ports = {
    holds: ({ hostPort, container }: { hostPort: number; container: string }) =>
      this.held.get(String(hostPort)) === container,
    hold: async ({ hostPort, container }: { hostPort: number; container: string }) => {
      const owner = this.held.get(String(hostPort));
      if (owner !== undefined && owner !== container)
        throw new BayError("PORT_TAKEN", `the port ${hostPort} is taken`);
      this.held.set(String(hostPort), container);
    },
    holdAny: async (wanted: { container: string }) => {
      const hostPort = 40_000 + this.held.size;
      this.held.set(String(hostPort), wanted.container);
      return { ...wanted, hostPort };
    },
    release: ({ hostPort }: { hostPort: number }) => this.held.delete(String(hostPort)),
    releaseOf: (container: string, except: { hostPort: number }[] = []) => {
      for (const [port, owner] of this.held)
        if (owner === container && !except.some(({ hostPort }) => String(hostPort) === port))
          this.held.delete(port);
    },
    handOver: ({ hostPort, container }: { hostPort: number; container: string }) =>
      this.held.set(String(hostPort), container),
  };

  readonly host = {
    roots: { root: this.root, run: this.root, tag: "unit" },
    settings: {},
    events: this.events,
    records: this.records,
    images: {
      get: async (name: string) => {
        this.note("image", name);
        return { id: IMAGE.id };
      },
    },
    volumes: { remove: (name: string) => this.note("volume.remove", name) },
    forwarders: { forget: () => {} },
    secretFiles: { sweep: () => {} },
    groups: { of: () => ({ freeze: (isFrozen: boolean) => this.note("freeze", isFrozen) }) },
    networks: {
      removeUnusedDefault: async () => {},
      ports: this.ports,
      firewall: { sync: async () => this.note("firewall") },
      endpoints: {
        allocate: (network: string) => ({
          network,
          networkId: "n",
          address: `172.18.0.${this.#addresses++}`,
          mac: "02:00:00:00:00:01",
          link: "ve1",
          interface: "eth0",
          aliases: [],
        }),
      },
    },
    waitingForFiles: new FileWaits(),
    emit: (event: string, value: unknown) => {
      this.note(event, value);
      return true;
    },
  } as unknown as Host;

  readonly supervisor = {
    prepare: async () => this.note("prepare"),
    takeDown: async () => this.note("takeDown"),
    watchHealth: () => this.note("watchHealth"),
  } as unknown as ConstructorParameters<typeof Creation>[2];

  readonly containerPorts = new ContainerPorts(this.host, this.records);
  readonly removal = new Removal(this.host, this.records, this.supervisor);
  readonly creation = new Creation(this.host, this.records, this.supervisor, this.removal);
  readonly liveUpdate = new LiveUpdate(this.host, this.records, this.supervisor);
  readonly replacement = new Replacement(this.host, this.records);
  readonly pausing = new Pausing(
    this.host,
    this.records,
    this.supervisor,
    { stopHealth: () => this.note("stopHealth") } as unknown as ConstructorParameters<typeof Pausing>[3],
    { endFinished: () => this.note("endFinished") } as unknown as ConstructorParameters<typeof Pausing>[4],
  );

  constructor() {
    Object.assign(this.host, { ports: this.containerPorts });
  }

  /** A container that runs, with its ports. */
  async running(rest: Partial<ContainerConfig> = {}): Promise<ContainerRecord> {
    const record = await this.creation.create(config(rest));
    record.state.status = "running";
    await this.containerPorts.hold(record);
    this.records.save(record);
    this.calls.length = 0;
    return record;
  }

  /** What a bayd that starts now would read. */
  saved = (): ContainerRecord[] => new Records(this.store).list();
  actions = () => this.events.since(0).map(({ action }) => action);
}

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});
afterEach(() => rmSync(bench.root, { recursive: true }));

describe("the creation of a container", () => {
  it("writes the record, with the image's ID, and names its anonymous volumes", async () => {
    const record = await bench.creation.create(config());
    expect(bench.calls).toEqual(["image app", "prepare"]);
    expect(bench.saved()).toEqual([record]);
    expect(record).toMatchObject({ config: { imageId: IMAGE.id }, state: { status: "created" } });
    expect(record.anonymousVolumes).toHaveLength(1);
    expect(bench.actions()).toEqual(["create"]);
  });

  it("leaves neither a record nor a volume if it fails", async () => {
    bench.failing.set("prepare", new BayError("DISK_FULL", "full"));
    await expect(bench.creation.create(config())).rejects.toMatchObject({ code: "DISK_FULL" });
    expect(bench.saved()).toEqual([]);
    expect(bench.calls.filter((call) => call.startsWith("volume.remove"))).toHaveLength(1);
    expect(bench.actions()).toEqual([]);
  });

  it("refuses a name that is taken, and writes nothing", async () => {
    await bench.creation.create(config());
    await expect(bench.creation.create(config())).rejects.toMatchObject({ code: "NAME_TAKEN" });
    expect(bench.saved()).toHaveLength(1);
  });

  it.each([
    false,
    true,
  ])("in place of another inherits its volumes, unless they are renewed (%s)", async (renewed) => {
    const old = await bench.creation.create(config());
    const fresh = await bench.creation.replace(old.id, config(), renewed);
    expect(bench.saved().map(({ id }) => id)).toEqual([fresh.id]);
    expect(fresh.anonymousVolumes[0] === old.anonymousVolumes[0]).toBe(!renewed);
    const removed = bench.calls.filter((call) => call.startsWith("volume.remove"));
    expect(removed).toEqual(renewed ? [`volume.remove ${old.anonymousVolumes[0]}`] : []);
    expect(bench.actions()).toEqual(["create", "destroy", "create"]);
  });

  it("in place of another keeps that one if the image does not exist", async () => {
    const old = await bench.creation.create(config());
    bench.failing.set("image", new BayError("IMAGE_NOT_FOUND", "no image"));
    await expect(bench.creation.replace(old.id, config(), false)).rejects.toThrow("no image");
    expect(bench.saved().map(({ id }) => id)).toEqual([old.id]);
    expect(bench.calls).not.toContain("takeDown");
  });
});

describe("the removal of a container", () => {
  it("is refused while the container runs or is paused", async () => {
    const record = await bench.running();
    for (const status of ["running", "paused"] as const) {
      record.state.status = status;
      await expect(bench.removal.remove(record.id, true)).rejects.toMatchObject({ code: "IS_RUNNING" });
    }
    expect(bench.calls).toEqual([]);
  });

  it("keeps an anonymous volume that another container uses", async () => {
    const [volume] = (await bench.creation.create(config())).anonymousVolumes;
    const old = bench.records.list()[0]!;
    const mount = { type: "volume", source: volume!, target: "/x", readOnly: false, noCopy: false } as const;
    const user = await bench.creation.create(config({ name: "user", mounts: [mount] }));
    await bench.removal.remove(old.id, true);
    expect(bench.calls.filter((call) => call.startsWith("volume.remove"))).toEqual([]);
    await bench.removal.remove(user.id, true);
    expect(bench.saved()).toEqual([]);
  });

  it("keeps the record if the container's files cannot be removed", async () => {
    const { id } = await bench.creation.create(config());
    bench.failing.set("takeDown", new Error("busy"));
    await expect(bench.removal.remove(id, true)).rejects.toThrow("busy");
    expect(bench.saved()).toHaveLength(1);
  });
});

describe("pausing", () => {
  it("is refused for a container that does not run", async () => {
    const { id } = await bench.creation.create(config());
    await expect(bench.pausing.set(id, true)).rejects.toMatchObject({ code: "NOT_RUNNING" });
  });

  it("stops health checks, and starts them again", async () => {
    const { id } = await bench.running();
    await bench.pausing.set(id, true);
    expect(bench.saved()[0]!.state.status).toBe("paused");
    await bench.pausing.set(id, false);
    expect(bench.calls.filter((call) => !call.startsWith("changed"))).toEqual([
      "freeze true",
      "stopHealth",
      "freeze false",
      "endFinished",
      "watchHealth",
    ]);
    expect(bench.actions()).toEqual(["create", "pause", "unpause"]);
  });

  it("by bayd itself ends with bayd's work; a user's pause does not", async () => {
    const [own, users] = [await bench.running(), await bench.running({ name: "users", ports: [] })];
    await bench.pausing.holdStill(own.id, true);
    await bench.pausing.set(users.id, true);
    await bench.pausing.holdStill(users.id, true);
    await bench.pausing.holdStill(users.id, false);
    bench.pausing.releaseAll();
    expect([own.state.status, users.state.status]).toEqual(["running", "paused"]);
  });

  it("records no state if the kernel refuses it", async () => {
    const { id } = await bench.running();
    bench.failing.set("freeze", new Error("EBUSY"));
    await expect(bench.pausing.set(id, true)).rejects.toThrow("EBUSY");
    expect(bench.saved()[0]!.state.status).toBe("running");
  });
});

describe("the published ports of a container", () => {
  const two = [8080, 9090].map((hostPort) => ({
    hostAddress: "",
    hostPort,
    containerPort: 80,
    protocol: "tcp" as const,
  }));

  it("are all bound, or none", async () => {
    bench.held.set("9090", "another program");
    const record = await bench.creation.create(config({ ports: two }));
    await expect(bench.containerPorts.hold(record)).rejects.toMatchObject({ code: "PORT_TAKEN" });
    expect([...bench.held]).toEqual([["9090", "another program"]]);
    expect(record.state.boundPorts).toEqual([]);
  });

  it("that were chosen are the same after a restart, or different if they are in use", async () => {
    const record = await bench.running({ ports: [{ ...two[0]!, hostPort: undefined }] });
    const chosen = record.state.boundPorts[0]!.hostPort;
    bench.ports.releaseOf(record.config.name);
    await bench.containerPorts.hold(record);
    expect(record.state.boundPorts[0]!.hostPort).toBe(chosen);
    bench.held.set(String(chosen), "another program");
    await bench.containerPorts.hold(record);
    expect(record.state.boundPorts[0]!.hostPort).not.toBe(chosen);
  });

  it("that another program bound are lost, and bound again when they are free", async () => {
    await bench.running({ ports: two });
    bench.held.set("8080", "another program");
    expect(bench.containerPorts.lost().map(({ hostPort }) => hostPort)).toEqual([8080]);
    expect(await bench.containerPorts.retake()).toEqual([]);
    bench.held.delete("8080");
    expect((await bench.containerPorts.retake()).map(({ hostPort }) => hostPort)).toEqual([8080]);
  });

  it("are released one by one, which the record shows", async () => {
    const record = await bench.running({ ports: two });
    await bench.containerPorts.release(record, [{ hostAddress: "", hostPort: 8080, protocol: "tcp" }]);
    expect([...bench.held.keys()]).toEqual(["9090"]);
    expect(bench.saved()[0]!.state.boundPorts.map(({ hostPort }) => hostPort)).toEqual([9090]);
  });
});

describe("changes in place", () => {
  it("to a port that is in use leave the container unchanged", async () => {
    const record = await bench.running();
    bench.held.set("9090", "another program");
    const ports = [{ hostAddress: "", hostPort: 9090, containerPort: 80, protocol: "tcp" as const }];
    const before = structuredClone(record.config);
    await expect(bench.liveUpdate.update(record.id, { ...config(), ports })).rejects.toMatchObject({
      code: "PORT_TAKEN",
    });
    expect(record.config).toEqual(before);
    expect(bench.held.get("8080")).toBe(record.config.name);
    expect(bench.actions()).not.toContain("update");
  });

  it("refuse a name that is taken, and move the ports with the name", async () => {
    const record = await bench.running();
    await bench.creation.create(config({ name: "other", ports: [] }));
    await expect(bench.liveUpdate.rename(record.id, "other")).rejects.toMatchObject({ code: "NAME_TAKEN" });
    expect(bench.held.get("8080")).toBe("demo-web-1");
    await bench.liveUpdate.rename(record.id, "fresh");
    expect(bench.held.get("8080")).toBe("fresh");
  });
});

describe("a container that replaces another", () => {
  it("takes name and ports in one step, and returns them", async () => {
    const old = await bench.running();
    const fresh = bench.replacement.beside(old, config(), false);
    expect(bench.saved().find(({ id }) => id === fresh.id)?.role).toBe("incoming");
    fresh.state.status = "running";
    await bench.replacement.promote(fresh, old, "demo-web-1");
    expect([fresh.config.name, fresh.role, old.role]).toEqual(["demo-web-1", undefined, "retiring"]);
    expect(fresh.state.boundPorts.map(({ hostPort }) => hostPort)).toEqual([8080]);
    expect(old.state.boundPorts).toEqual([]);
    await bench.replacement.demote(fresh, old, "demo-web-1");
    expect([old.config.name, old.role, fresh.role]).toEqual(["demo-web-1", undefined, "incoming"]);
    expect(bench.held.get("8080")).toBe("demo-web-1");
  });

  it("changes nothing if a port is in use", async () => {
    const old = await bench.running();
    bench.held.set("9090", "another program");
    const ports = [{ hostAddress: "", hostPort: 9090, containerPort: 80, protocol: "tcp" as const }];
    const fresh = bench.replacement.beside(old, config({ ports }), false);
    await expect(bench.replacement.promote(fresh, old, "demo-web-1")).rejects.toMatchObject({
      code: "PORT_TAKEN",
    });
    expect([old.config.name, old.role, fresh.role]).toEqual(["demo-web-1", undefined, "incoming"]);
    expect(bench.held.get("8080")).toBe("demo-web-1");
  });
});
