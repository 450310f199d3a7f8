/** The mounts of a RUN: made on the host, and taken away after it. */
import { createHash } from "node:crypto";
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
import { BayError } from "../../errors.ts";
import { resolveInLayers } from "../../image/index.ts";
import { mountOverlay, mountTmpfs, type SpecMount, unmount } from "../../linux/index.ts";
import type { BuildContext } from "../build-context.ts";
import type { RunMount } from "../dockerfile/run-mount.ts";

const TMPFS_MAGIC = 0x01021994;

/** Files of other stages and images that a RUN may mount. */
export interface MountSource {
  layersDirectory: string;
  /** Topmost first. */
  lower: string[];
}

/** The mounts of one RUN on the host, taken away by `close`. */
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
        return this.#bind(mount, source);
      case "cache":
        return this.#cache(mount);
      case "secret":
        return this.#secret(mount);
      case "ssh":
        return this.#ssh(mount);
    }
  }

  #bind(mount: Extract<RunMount, { type: "bind" }>, source: MountSource | undefined): void {
    if (!mount.readOnly)
      throw new BayError("UNSUPPORTED", "RUN --mount=type=bind,rw is not supported yet", {
        hint: "COPY the files, or write elsewhere",
      });
    let place: string;
    if (source) {
      const root = join(this.#directory, `bind-${this.#cleanup.length}`);
      mkdirSync(root);
      const lower = source.lower.map((name) => join(source.layersDirectory, name));
      if (lower.length < 2)
        lower.push(join(source.layersDirectory, this.context.setting.manager.images.layers.mountPoints()));
      mountOverlay(root, `lowerdir=${lower.join(":")}`);
      this.#cleanup.push(() => unmount(root));
      place = join(root, resolveInLayers(lower, posix.join("/", mount.source)));
    } else {
      const { context: folder } = this.context.request;
      if (folder === undefined) throw new BayError("NO_CONTEXT", "the build has no context to mount");
      // a context may come from anybody: its symlinks lead nowhere but into it
      place = join(folder, resolveInLayers([folder], posix.join("/", mount.source)));
    }
    if (!existsSync(place)) throw new BayError("NOT_FOUND", `RUN --mount: ${mount.source} is not there`);
    this.mounts.push({ destination: mount.target, type: "bind", source: place, options: ["bind", "ro"] });
  }

  async #cache(mount: Extract<RunMount, { type: "cache" }>): Promise<void> {
    if (mount.from !== undefined || mount.source !== "/")
      throw new BayError("UNSUPPORTED", "RUN --mount=type=cache with from or source is not supported yet");
    const id = mount.id || mount.target;
    const name = createHash("sha256").update(id).digest("hex").slice(0, 24);
    if (mount.sharing !== "shared") this.#cleanup.push(await this.context.lockCache(id));
    const place = join(this.context.cacheDirectory(), name);
    if (!existsSync(place)) {
      mkdirSync(place);
      chmodSync(place, mount.mode);
      chownSync(place, mount.uid, mount.gid);
    }
    this.mounts.push({
      destination: mount.target,
      type: "bind",
      source: place,
      options: ["bind", ...(mount.readOnly ? ["ro"] : [])],
    });
  }

  /** A secret is in a file of a tmpfs, and in no layer. */
  #secret(mount: Extract<RunMount, { type: "secret" | "ssh" }>): void {
    const given = this.context.request.secrets[mount.id];
    if (!given) {
      if (!mount.required) return;
      throw new BayError("NO_SECRET", `the build was given no secret ${mount.id}`, {
        hint: `--secret id=${mount.id},src=FILE`,
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
      throw new BayError("NO_SSH", `the build was given no SSH agent ${mount.id}`, { hint: "--ssh default" });
    }
    if (!statSync(socket, { throwIfNoEntry: false })?.isSocket())
      throw new BayError("NO_SSH", `${socket} is no socket of an SSH agent`);
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
