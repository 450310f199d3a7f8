/** Builds without confinement: trees are copied and layers are packed by this process, and a double runs the commands. */

import { createHash } from "node:crypto";
import {
  closeSync,
  cpSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import type { Builder as BuilderClass } from "../../src/build/build.ts";
import type { CopyOptions, Selection, TreeRoot, TreeTask } from "../../src/build/tree/tasks.ts";
import type { BuildNews, BuildRequest } from "../../src/build/types.ts";
import type { TaskConfig } from "../../src/container/index.ts";
import type { ImageStore } from "../../src/image/index.ts";
import type { LayerTask } from "../../src/image/layers/layer-pool.ts";
import type { ThreadRoot } from "../../src/linux/index.ts";
import { MemoryStore } from "./memory-store.ts";

const TREES = "../../src/build/tree/tasks.ts";
const LAYERS = "../../src/image/layers/layer-pool.ts";
const OWN = { uid: process.getuid!(), gid: process.getgid!() };
/** Both roots are the process's own: paths in them are whole ones. */
const HERE = { enter: () => {}, close: () => {} } as unknown as ThreadRoot;

/** What a RUN does: it changes `upper`, may report output, and returns the exit code. */
export type Runner = (config: TaskConfig & { upper: string }) => number | Promise<number>;

export interface BuildRoom {
  readonly folder: string;
  readonly images: ImageStore;
  readonly builder: BuilderClass;
  /** The commands that were run, without the shell. */
  readonly ran: string[];
  /** The cache of steps and mounts. */
  readonly steps: InstanceType<typeof import("../../src/build/cache/step-store.ts").StepStore>;
  readonly caches: InstanceType<typeof import("../../src/build/cache/cache-mounts.ts").CacheMounts>;
  runner: Runner;
  reset(): void;
  /** Builds a Dockerfile with the folder `context`; returns the image and what was told. */
  build(dockerfile: string, more?: Partial<BuildRequest>, signal?: AbortSignal): Promise<Built>;
  request(dockerfile: string, more?: Partial<BuildRequest>): BuildRequest;
  /** The file system of an image, as a directory. */
  unpacked(reference: string): string;
  close(): void;
}

export interface Built {
  id: string;
  /** `started`, `cached` and `done` with the titles, and notes. */
  told: string[];
}

const NO_REQUEST: Omit<BuildRequest, "context" | "dockerfile"> = {
  ignore: [],
  target: undefined,
  args: {},
  contexts: {},
  labels: {},
  tags: ["built:1"],
  platform: undefined,
  cacheFrom: [],
  cacheTo: [],
  noCache: false,
  noCacheFilter: [],
  pull: false,
  network: "bridge",
  extraHosts: [],
  shmSize: undefined,
  ulimits: {},
  secrets: {},
  ssh: {},
  insecure: false,
  hostNetwork: false,
};

/** Call it before all tests of a file, and `close` after them. */
export async function loadBuildRoom(): Promise<BuildRoom> {
  vi.resetModules();
  vi.doMock(LAYERS, async (original) => ({
    ...(await original<object>()),
    canFollowGrowth: () => false,
    runLayerTask: (task: LayerTask) => layerTask(task),
  }));
  vi.doMock(TREES, async (original) => ({
    ...(await original<object>()),
    runTreeTask: async (task: TreeTask) => treeTask(task),
  }));
  const [
    { Builder },
    { StepStore },
    { CacheMounts },
    { KeptRepositories },
    { ImageStore: Images },
    { BayError },
  ] = await Promise.all([
    import("../../src/build/build.ts"),
    import("../../src/build/cache/step-store.ts"),
    import("../../src/build/cache/cache-mounts.ts"),
    import("../../src/build/sources/kept-repositories.ts"),
    import("../../src/image/index.ts"),
    import("../../src/core/errors.ts"),
  ]);
  const [{ runTask }, { unpackHere }, { packHere }] = await Promise.all([
    import("../../src/image/layers/layer-tasks.ts"),
    import("../../src/image/layers/unpack.ts"),
    import("../../src/image/layers/pack-layer.ts"),
  ]);
  const [{ IgnorePatterns }, { matchSources }, { copyMatches, writeGiven }, { DigestCache, digestOf }] =
    await Promise.all([
      import("../../src/build/ignore.ts"),
      import("../../src/build/tree/select.ts"),
      import("../../src/build/tree/copy.ts"),
      import("../../src/build/tree/digest.ts"),
    ]);

  async function layerTask(task: LayerTask): Promise<string> {
    if (task.kind === "measure") return "0";
    if (task.kind === "pack") {
      const hash = createHash("sha256");
      const out = openSync(task.target, "wx");
      packHere(
        (bytes) => {
          hash.update(bytes);
          writeSync(out, bytes);
        },
        task.newest,
        task.directory,
      );
      fsyncSync(out);
      closeSync(out);
      return `sha256:${hash.digest("hex")}`;
    }
    if (task.kind === "unpack") {
      const target = join(room.folder, `plain-${Math.random()}`);
      const digest = await layerTask({ kind: "decompress", piece: task.piece, target });
      const bytes = readFileSync(target);
      let from = 0;
      unpackHere((length) => {
        const part = bytes.subarray(from, from + length);
        from += part.length;
        return part;
      }, task.directory);
      return digest;
    }
    const answer = runTask(task);
    if (!answer.ok) throw new BayError(answer.code as never, answer.message);
    return answer.result;
  }

  /** A directory with the files of a root. */
  function directoryOf(root: TreeRoot): string {
    return root.kind === "folder" ? root.path : stacked(root.lower.map((name) => join(root.directory, name)));
  }
  function stacked(lower: readonly string[]): string {
    const whole = mkdtempSync(join(room.folder, "stacked-"));
    for (const layer of lower.toReversed())
      cpSync(realpathSync(layer), whole, { recursive: true, preserveTimestamps: true });
    return whole;
  }
  function selected({ root, sources, ignore, excludes }: Selection) {
    const directory = directoryOf(root);
    const inside = (pattern: string) =>
      pattern.startsWith("!")
        ? `!${join(directory, pattern.slice(1))}`.replace("!/", "!")
        : join(directory, pattern).slice(1);
    const [ignored, excluded] = [new IgnorePatterns(ignore.map(inside)), new IgnorePatterns(excludes)];
    const matches = matchSources(
      sources.map((source) => join(directory, source)),
      ignored,
      excluded,
    );
    return { matches, ignored, excluded };
  }
  const within = (upper: string, options: CopyOptions): CopyOptions => ({
    ...options,
    target: join(upper, options.target),
    owner: options.owner ?? OWN,
  });

  function treeTask(task: TreeTask): string {
    if (task.kind === "digest") {
      const { matches, ignored, excluded } = selected(task.selection);
      const names = task.selection.sources.join("\n");
      return names + digestOf(matches, ignored, excluded, false, new DigestCache(undefined));
    }
    if (task.kind === "archive") throw new Error("not needed by tests");
    const upper = "folder" in task.into ? task.into.folder : task.into.upper;
    if (task.kind === "directory") mkdirSync(join(upper, task.path), { recursive: true });
    else if (task.kind === "write") writeGiven(task.files, within(upper, task.options));
    else {
      const { matches, ignored, excluded } = selected(task.selection);
      const roots = { source: HERE, target: HERE, options: within(upper, task.options), isImage: false };
      copyMatches(roots, matches, ignored, excluded);
    }
    return "";
  }

  const room = {
    folder: "",
    ran: [] as string[],
    runner: (() => 0) as Runner,
    reset() {
      if (room.folder) rmSync(room.folder, { recursive: true, force: true });
      const folder = mkdtempSync(join(tmpdir(), "bay-build-"));
      for (const name of ["root/blobs/sha256", "root/layers", "run", "context"])
        mkdirSync(join(folder, name), { recursive: true });
      const store = new MemoryStore();
      const images = new Images(join(folder, "root"), store);
      const steps = new StepStore(images, store);
      const caches = new CacheMounts(join(folder, "caches"), store);
      const tasks = {
        run: async (config: TaskConfig) => {
          room.ran.push(config.args.at(-1)!);
          return room.runner({ ...config, upper: config.overlay.upper });
        },
        tidy: async () => {},
      };
      const manager = {
        images,
        tasks,
        roots: { root: join(folder, "root"), run: join(folder, "run"), tag: "unit0" },
      };
      const repositories = new KeptRepositories(join(folder, "git"));
      const builder = new Builder(manager as never, steps, caches, repositories);
      Object.assign(room, { folder, images, steps, caches, builder, ran: [], runner: () => 0 });
    },
    request(dockerfile: string, more: Partial<BuildRequest> = {}): BuildRequest {
      return {
        ...NO_REQUEST,
        context: { kind: "folder", path: join(room.folder, "context") },
        dockerfile: { source: dockerfile, file: "Dockerfile" },
        ...more,
      };
    },
    async build(dockerfile: string, more: Partial<BuildRequest> = {}, signal?: AbortSignal): Promise<Built> {
      const told: string[] = [];
      const tell = ({ kind, title, text }: BuildNews) =>
        void told.push(kind === "note" ? text! : `${kind} ${title}${kind === "output" ? `: ${text}` : ""}`);
      const { id } = await (room as unknown as BuildRoom).builder.build(
        room.request(dockerfile, more),
        tell,
        signal,
      );
      return { id, told };
    },
    unpacked(reference: string): string {
      const { images, folder } = room as unknown as BuildRoom;
      const whole = mkdtempSync(join(folder, "whole-"));
      for (const { digest } of images.layersOf(images.records.need(reference))) {
        const part = mkdtempSync(join(folder, "part-"));
        const bytes = images.content.read(digest);
        writeFileSync(join(folder, "one.tar"), bytes);
        let from = 0;
        unpackHere((length) => {
          const piece = bytes.subarray(from, from + length);
          from += piece.length;
          return piece;
        }, part);
        cpSync(part, whole, { recursive: true, preserveTimestamps: true });
      }
      return whole;
    },
    close() {
      rmSync(room.folder, { recursive: true, force: true });
      vi.doUnmock(LAYERS);
      vi.doUnmock(TREES);
      vi.resetModules();
    },
  };
  return room as unknown as BuildRoom;
}
