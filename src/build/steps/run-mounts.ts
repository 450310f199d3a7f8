/** The mounts of a RUN: created on the host, and removed after it. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join, posix } from "node:path";
import { BayError } from "../../core/errors.ts";
import { kindInLayers } from "../../image/index.ts";
import { mountOverlay, mountTmpfs, type SpecMount, unmount } from "../../linux/index.ts";
import type { BuildContext } from "../build-context.ts";
import type { RunMount } from "../dockerfile/run-mount.ts";
import { digestOf } from "../stage-state.ts";
import { literal, runTreeTask } from "../tree/tasks.ts";

const TMPFS_MAGIC = 0x01021994;

/** Files of a context, another stage or an image that a RUN mounts. */
export interface MountSource {
  /** A key of their inputs. */
  key: string;
  layersDirectory: string;
  /** Topmost first. */
  lower: string[];
}

/** The mounts of one RUN on the host, removed by `close`. */
export class RunMounts {
  readonly mounts: SpecMount[] = [];
  readonly env: string[] = [];
  readonly #cleanup: (() => void)[] = [];
  readonly #directory: string;

  constructor(readonly context: BuildContext) {
    this.#directory = mkdtempSync(join(context.setting.manager.roots.run, "build-"));
  }

  async add(mount: RunMount, source: MountSource | undefined): Promise<void> {
    switch (mount.type) {
      case "tmpfs":
        this.mounts.push({
          destination: mount.target,
          type: "tmpfs",
          options: ["nosuid", "nodev", ...(mount.size ? [`size=${mount.size}`] : [])],
        });
        return;
      case "bind":
        return this.#bind(mount, source!);
      case "cache":
        return this.#cache(mount, source);
      case "secret":
        return this.#secret(mount);
      case "ssh":
        return this.#ssh(mount);
    }
  }

  /** Files of a context, a stage or an image. Changes to them are discarded with the step. */
  #bind(mount: Extract<RunMount, { type: "bind" }>, source: MountSource): void {
    const root = join(this.#directory, `bind-${this.#cleanup.length}`);
    mkdirSync(root);
    const lower = source.lower.map((name) => join(source.layersDirectory, name));
    while (lower.length < 2) lower.push(this.#empty(lower.length));
    mountOverlay(root, { lower, writable: mount.readOnly ? undefined : this.#writable(root) });
    this.#cleanup.push(() => unmount(root));
    const path = posix.join("/", mount.source);
    if (kindInLayers(lower, path) === undefined)
      throw new BayError("NOT_FOUND", `RUN --mount: ${mount.source} does not exist`);
    const options = ["bind", mount.readOnly ? "ro" : "rw"];
    // the launch resolves the path inside the mount
    this.mounts.push({
      destination: mount.target,
      type: "bind",
      source: root,
      subpath: posix.relative("/", path) || ".",
      options,
    });
  }

  /** overlayfs requires two lower directories. */
  #empty(index: number): string {
    const directory = join(this.#directory, `empty-${index}`);
    mkdirSync(directory, { recursive: true });
    return directory;
  }

  /** The writable directories of an overlay, on the disk where the layers are. */
  #writable(root: string): { upper: string; work: string } {
    const directory = mkdtempSync(join(this.context.layersDirectory, ".step-"));
    this.#cleanup.push(() => rmSync(directory, { recursive: true, force: true }));
    const [upper, work] = [join(directory, "upper"), join(directory, "work")];
    mkdirSync(upper);
    mkdirSync(work);
    const { uid, gid, mode } = statSync(root);
    chownSync(upper, uid, gid);
    chmodSync(upper, mode & 0o7777);
    return { upper, work };
  }

  async #cache(mount: Extract<RunMount, { type: "cache" }>, source: MountSource | undefined): Promise<void> {
    const id = mount.id || mount.target;
    const { cacheMounts } = this.context.setting;
    const { uid, gid, mode } = mount;
    // root with the default mode keeps the key from before owners were part of it
    const owner = uid === 0 && gid === 0 && mode === 0o755 ? [] : [{ uid, gid, mode }];
    const key = digestOf(source ? [id, source.key, mount.source, ...owner] : [id, ...owner]);
    const { directory, giveBack } = await cacheMounts.take(
      { key, id, sharing: mount.sharing },
      async (made) => {
        chmodSync(made, mount.mode);
        chownSync(made, mount.uid, mount.gid);
        if (source) await this.#copy(mount.source, source, made);
      },
    );
    this.#cleanup.push(giveBack);
    this.mounts.push({
      destination: mount.target,
      type: "bind",
      source: directory,
      options: ["bind", ...(mount.readOnly ? ["ro"] : [])],
    });
  }

  /** The initial content of a cache. */
  async #copy(path: string, { layersDirectory, lower }: MountSource, upper: string): Promise<void> {
    const { staging } = this.context;
    const work = mkdtempSync(join(layersDirectory, ".step-"));
    this.#cleanup.push(() => rmSync(work, { recursive: true, force: true }));
    await runTreeTask({
      kind: "copy",
      selection: {
        root: { kind: "layers", directory: layersDirectory, lower, staging },
        sources: [literal(path)],
        ignore: [],
        excludes: [],
      },
      into: { directory: layersDirectory, lower: [], upper, work, staging },
      options: {
        target: "/",
        owner: undefined,
        mode: undefined,
        parents: false,
        unpack: false,
        newest: undefined,
      },
    });
  }

  /** A secret is a file in a tmpfs, and in no layer. */
  #secret(mount: Extract<RunMount, { type: "secret" | "ssh" }>): void {
    const given = this.context.request.secrets[mount.id];
    if (!given) {
      if (!mount.required) return;
      throw new BayError("NO_SECRET", `the build has no secret ${mount.id}`, {
        hint: `use --secret id=${mount.id},src=FILE`,
      });
    }
    if (mount.env !== undefined) {
      if ("value" in given) this.env.push(`${mount.env}=${given.value}`);
      else this.env.push(`${mount.env}=${readSecret(given.file).toString("utf8")}`);
    }
    if (mount.target === undefined) return;
    const file = join(this.#memory(), String(this.mounts.length));
    writeFileSync(file, "value" in given ? given.value : readSecret(given.file), { mode: 0o600 });
    chmodSync(file, mount.mode);
    chownSync(file, mount.uid, mount.gid);
    this.mounts.push({ destination: mount.target, type: "bind", source: file, options: ["bind", "ro"] });
  }

  #ssh(mount: Extract<RunMount, { type: "secret" | "ssh" }>): void {
    const socket = this.context.request.ssh[mount.id];
    if (!socket) {
      if (!mount.required) return;
      throw new BayError("NO_SSH", `the build has no SSH agent ${mount.id}`, { hint: "use --ssh default" });
    }
    if (!statSync(socket, { throwIfNoEntry: false })?.isSocket())
      throw new BayError("NO_SSH", `${socket} is not the socket of an SSH agent`);
    const target = mount.target ?? `/run/buildkit/ssh_agent.${this.mounts.length}`;
    this.mounts.push({ destination: target, type: "bind", source: socket, options: ["bind"] });
    this.env.push(`SSH_AUTH_SOCK=${target}`);
  }

  /** A directory in memory. */
  #memory(): string {
    const directory = join(this.#directory, "memory");
    if (existsSync(directory)) return directory;
    mkdirSync(directory, { mode: 0o711 });
    if (statfsSync(directory).type !== TMPFS_MAGIC) {
      mountTmpfs(directory);
      this.#cleanup.push(() => unmount(directory));
    }
    return directory;
  }

  close(): void {
    for (const undo of this.#cleanup.reverse()) undo();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function readSecret(file: string): Buffer {
  try {
    const bytes = readFileSync(file);
    if (bytes.length > 500 << 10) throw new BayError("NO_SECRET", `the secret ${file} is larger than 500 kB`);
    return bytes;
  } catch (cause) {
    if (cause instanceof BayError) throw cause;
    throw new BayError("NO_SECRET", `the secret ${file} cannot be read`, { cause });
  }
}
