/**
 * bayd in the test's own process, without root: the real manager, server and stack service over a recording kernel, links in
 * memory and nftables as text. What is mocked is linux/'s door, and the two files that write to /proc/sys/net.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import type * as Build from "../../src/build/index.ts";
import type * as Container from "../../src/container/index.ts";
import type { ContainerConfig, ContainerManager, ContainerRecord } from "../../src/container/index.ts";
import type * as RootsModule from "../../src/core/roots.ts";
import type { Roots } from "../../src/core/roots.ts";
import type * as ServerModule from "../../src/daemon/api/server.ts";
import type { ClusterStacks } from "../../src/daemon/cluster/cluster-stacks.ts";
import type { Listeners } from "../../src/daemon/process/listeners.ts";
import type * as Settings from "../../src/daemon/process/settings.ts";
import type * as Stacks from "../../src/daemon/stacks/stack-service.ts";
import type { Cluster } from "../../src/host/index.ts";
import type * as Images from "../../src/image/index.ts";
import type { ImageConfig, ImageRecord, RunConfig } from "../../src/image/index.ts";
import type * as Door from "../../src/linux/index.ts";
import type * as Bridge from "../../src/network/drivers/bridge.ts";
import { desiredConfig } from "../../src/reconcile/index.ts";
import { FakeKernel } from "./fake-kernel.ts";
import { FakeNetworkHost } from "./fake-links.ts";
import { FakeNftables } from "./fake-nftables.ts";
import { MemoryStore } from "./memory-store.ts";
import { loadText } from "./stack.ts";

/** The host that the mocked modules use now; a test sets a new one. */
/** As linux/nftables.ts throws it; the code under test knows the class of the loaded modules. */
let nftablesError = (message: string): Error => new Error(message);
const newHost = () => ({
  kernel: new FakeKernel(),
  links: new FakeNetworkHost(),
  nft: new FakeNftables((message) => nftablesError(`nftables rejected a change: Error: ${message}`)),
});
let host = newHost();

const DOOR = "../../src/linux/index.ts";
const BRIDGE = "../../src/network/drivers/bridge.ts";
const FORWARDING = "../../src/network/rules/forwarding.ts";

interface Modules {
  container: typeof Container;
  images: typeof Images;
  server: typeof ServerModule;
  stacks: typeof Stacks;
  build: typeof Build;
  roots: typeof RootsModule;
  door: typeof Door;
  settings: typeof Settings;
}

let modules: Modules | undefined;

/** Loads bay's modules over the doubles. Call it in beforeAll, and `unloadBay` in afterAll. */
export async function loadBay(): Promise<Modules> {
  vi.resetModules();
  vi.doMock(DOOR, async (original) => {
    const real = await original<typeof Door>();
    const BaseError = Object.getPrototypeOf(real.StartError) as new (code: string, message: string) => Error;
    nftablesError = (message) => new BaseError("NFTABLES", message);
    // each call looks at the host of the current test
    const now = () => ({
      ...host.kernel.door(real),
      ...host.links.door,
      nft: (commands: string) => host.nft.run(commands),
    });
    const forwarded = Object.keys(now()).map((name) => [
      name,
      (...args: unknown[]) =>
        (now() as unknown as Record<string, (...given: unknown[]) => unknown>)[name]!(...args),
    ]);
    return {
      ...real,
      ...Object.fromEntries(forwarded),
      Links: class {
        constructor() {
          // biome-ignore lint/correctness/noConstructorReturn: the class is that of the test's own host
          return { ...host.links.links(), routes: () => [] } as unknown as object;
        }
      },
    };
  });
  vi.doMock(BRIDGE, async (original) => ({
    ...(await original<typeof Bridge>()),
    // the real one writes the bridge's switches below /proc/sys/net
    ensureBridge: ({ bridge }: { bridge: string }, links: Door.Links) => {
      const known = links.byName(bridge);
      if (known?.isUp) return false;
      if (!known) links.addBridge(bridge, undefined, "");
      links.setUp(links.byName(bridge)!.index);
      return true;
    },
  }));
  vi.doMock(FORWARDING, async (original) => ({
    ...(await original<object>()),
    // the real one turns the host's forwarding on
    Forwarding: class {
      ensure = () => [];
      repair = () => [];
      apply = () => {};
      release = () => {};
    },
    forwardingIsIntact: () => true,
  }));
  modules = {
    container: await import("../../src/container/index.ts"),
    images: await import("../../src/image/index.ts"),
    server: await import("../../src/daemon/api/server.ts"),
    stacks: await import("../../src/daemon/stacks/stack-service.ts"),
    build: await import("../../src/build/index.ts"),
    roots: await import("../../src/core/roots.ts"),
    door: await import("../../src/linux/index.ts"),
    settings: await import("../../src/daemon/process/settings.ts"),
  };
  return modules;
}

export function unloadBay(): void {
  for (const path of [DOOR, BRIDGE, FORWARDING]) vi.doUnmock(path);
  vi.resetModules();
}

/** The user that runs the tests: only root may give files to others. */
export const OWN_USER = `${process.getuid!()}:${process.getgid!()}`;

export interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  bytes: Buffer;
  // biome-ignore lint/suspicious/noExplicitAny: answers of all routes
  body: any;
}

export class UnitBay {
  readonly folder = mkdtempSync(join(tmpdir(), "bay-unit-"));
  readonly roots: Roots = {
    root: join(this.folder, "root"),
    run: join(this.folder, "run"),
    tag: this.folder.slice(-5).toLowerCase(),
  };
  readonly store = new MemoryStore();
  readonly warnings: string[] = [];
  readonly kernel = host.kernel;
  readonly nft = host.nft;
  readonly links = host.links;
  manager!: ContainerManager;
  stacks!: Stacks.StackService;
  #server: Server | undefined;
  /** What a build does; its image is that of the name `app`, with the tags of the request. */
  onBuild: (
    request: Build.BuildRequest,
    tell: (news: Build.BuildNews) => void,
    signal?: AbortSignal,
  ) => Promise<void> = async () => {};
  /** Why an image has to be built again, by its first tag. */
  readonly outdated = new Map<string, string>();
  readonly #builder = async () =>
    ({
      build: async (
        request: Build.BuildRequest,
        tell: (news: Build.BuildNews) => void,
        signal?: AbortSignal,
      ) => {
        await this.onBuild(request, tell, signal);
        const { records } = this.manager.images;
        for (const tag of request.tags) records.tag("app", tag);
        return records.need(request.tags[0] ?? "app");
      },
      outdated: async ({ tags }: Build.BuildRequest) => this.outdated.get(tags[0]!),
    }) as unknown as Build.Builder;
  isStopping = false;

  /** A bayd on a host of its own. Its image `app` runs the command `serve`. */
  static async start(): Promise<UnitBay> {
    host = newHost();
    const bay = new UnitBay();
    modules!.roots.makeRoots(bay.roots);
    bay.#manage();
    await bay.addImage("app");
    return bay;
  }

  #manage(): void {
    const { container } = modules!;
    this.manager = new container.ContainerManager(this.roots, this.store);
    this.manager.on("warning", (text: string) => this.warnings.push(text));
    this.stacks = new modules!.stacks.StackService(this.manager, this.#builder);
  }

  /** bayd ends and the next one starts, while the containers run on. */
  async restart(before: () => void = () => {}): Promise<void> {
    await this.manager.close();
    before();
    this.#manage();
    await this.manager.adopt();
  }

  async stop(): Promise<void> {
    if (this.#server) {
      const closed = new Promise((resolve) => this.#server!.close(resolve));
      this.#server.closeAllConnections();
      await closed;
    }
    for (const { id } of this.manager.list()) await this.manager.remove(id, { volumes: true, force: true });
    await this.manager.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async addImage(
    name: string,
    run: RunConfig = {},
    files: Record<string, string> = {},
  ): Promise<ImageRecord> {
    const { images } = this.manager;
    const { MEDIA } = modules!.images;
    const serial = String(images.records.list().length + 1);
    const diffId = `sha256:${serial.padStart(16, "0").padEnd(64, "0")}`;
    const layer = join(images.layers.directory, diffId.slice(7, 23));
    for (const [path, text] of Object.entries({ "etc/os": "bay\n", ...files })) {
      mkdirSync(join(layer, path, ".."), { recursive: true });
      writeFileSync(join(layer, path), text);
    }
    const config: ImageConfig = {
      architecture: "amd64",
      os: "linux",
      created: "2026-01-02T03:04:05Z",
      config: { Cmd: ["serve"], User: OWN_USER, Env: ["PATH=/bin"], ...run },
      rootfs: { type: "layers", diff_ids: [diffId] },
      history: [{ created: "2026-01-02T03:04:05Z", created_by: `layer ${serial}` }],
    };
    return images.add([name], async () => {
      const blob = images.content.put(`layer ${serial}`, MEDIA.layer);
      const manifest = {
        schemaVersion: 2,
        mediaType: MEDIA.manifest,
        config: images.content.put(JSON.stringify(config), MEDIA.config),
        layers: [blob],
      };
      return images.content.put(JSON.stringify(manifest), MEDIA.manifest);
    });
  }

  /** The config that a service of a stack text has, with changes; without a network if not said otherwise. */
  async configOf(service = "image: app", changes: Partial<ContainerConfig> = {}): Promise<ContainerConfig> {
    const { stack } = loadText(`services:\n  web:\n    ${service.split("\n").join("\n    ")}\n`);
    const image = await this.manager.images.get(stack.services.web!.image);
    const whole = desiredConfig(stack, stack.services.web!, 1, image);
    return { ...whole, networkMode: "none", networks: [], imageId: image.id, ...changes };
  }

  async create(service?: string, changes?: Partial<ContainerConfig>): Promise<ContainerRecord> {
    return this.manager.create(await this.configOf(service, changes));
  }

  async running(service?: string, changes?: Partial<ContainerConfig>): Promise<ContainerRecord> {
    const record = await this.create(service, changes);
    await this.manager.start(record.id);
    return record;
  }

  actions(): string[] {
    return this.manager.events.since(0).map(({ action }) => action);
  }

  /** Resolves when a condition about the containers holds. */
  async until(test: () => boolean): Promise<void> {
    while (!test()) await new Promise((resolve) => setTimeout(resolve, 2));
  }

  // ---- the API

  async serve(): Promise<string> {
    const { server, build, roots } = modules!;
    const path = roots.socketPath(this.roots);
    if (this.#server) return path;
    this.#server = server.createEngineServer({
      manager: this.manager,
      stacks: this.stacks,
      steps: new build.StepStore(this.manager.images, this.store),
      cacheMounts: new build.CacheMounts(join(this.roots.root, "build-cache"), this.store),
      repositories: new build.KeptRepositories(join(this.roots.root, "build-sources")),
      builder: this.#builder,
      shutDown: () => {
        this.isStopping = true;
      },
      reload: () =>
        modules!.settings.reloadSettings(this.manager, { apply: async () => [] } as unknown as Listeners),
      // this bay is not a member of a cluster
      cluster: { membership: { self: undefined, members: [], others: [] } } as unknown as Cluster,
      clusterStacks: undefined as unknown as ClusterStacks,
    });
    await server.listen(this.#server, path, undefined);
    return path;
  }

  /** One request to its end. */
  async ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const socketPath = await this.serve();
    const isRaw = typeof body === "string" || Buffer.isBuffer(body);
    const headers = body === undefined || isRaw ? {} : { "Content-Type": "application/json" };
    return new Promise((resolve, reject) => {
      const call = request({ socketPath, method, path, headers, agent: false }, (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("error", reject);
        response.on("end", () => {
          const bytes = Buffer.concat(parts);
          const isJson = String(response.headers["content-type"]).startsWith("application/json");
          const text = bytes.toString("utf8");
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            bytes,
            body: isJson && text !== "" ? parsed(text) : text,
          });
        });
      });
      call.on("error", reject);
      call.end(isRaw || body === undefined ? body : JSON.stringify(body));
    });
  }
}

/** JSON, or one object for each line. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  }
}
