/** Named and anonymous volumes: `volumes/NAME/_data`, as Docker's local driver lays them out. */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BayError } from "../core/errors.ts";
import type { Store } from "../store/index.ts";
import { mountVolume, unmountVolume, type VolumeMount } from "./volume-mounts.ts";

export interface VolumeConfig {
  name: string;
  stack: string | undefined;
  key: string | undefined;
  anonymous: boolean;
  /** A directory of the host that is bound as the volume. */
  device?: string | undefined;
  /** A file system that is mounted as the volume while a container uses it. */
  mount?: VolumeMount | undefined;
  labels: Record<string, string>;
}

export interface VolumeRecord {
  createdAt: string;
  config: VolumeConfig;
  /** Files of an image are being copied into the volume. */
  isFilling?: boolean;
  /** A backup is being restored. After a crash the next bayd completes or undoes it (container/files/volume-archive.ts). */
  restore?: VolumeRestore;
}

export interface VolumeRestore {
  /** The steps of a restore: unpack the archive beside the files, move the old files away, move the new files in. */
  phase: "unpacking" | "clearing" | "filling";
  /** The name of the directory that holds the old and the new files. */
  staging: string;
}

const KEY = "volume/";
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;

export class VolumeStore {
  /** Copies that run in this process: several containers may start with the same new volume at once. */
  readonly #fills = new Map<string, Promise<void>>();
  /** Volumes whose files are being archived or restored; several backups may run at once. */
  readonly #held = new Map<string, { what: "backed up" | "restored"; count: number }>();

  constructor(
    readonly root: string,
    readonly store: Store,
  ) {}

  static newAnonymousName(): string {
    return randomBytes(32).toString("hex");
  }

  list(): VolumeRecord[] {
    return this.store.list<VolumeRecord>(KEY);
  }

  get(name: string): VolumeRecord | undefined {
    return this.store.get<VolumeRecord>(KEY + name);
  }

  /** The directory with a volume's files. Throws BAD_VOLUME_NAME. */
  path(name: string): string {
    const own = this.#ownPath(name);
    return this.get(name)?.config.device ?? own;
  }

  /** The directory where bay keeps a volume, even if another directory is bound as the volume. */
  #ownPath(name: string): string {
    if (!NAME.test(name))
      throw new BayError("BAD_VOLUME_NAME", `invalid volume name ${JSON.stringify(name)}`);
    return join(this.root, "volumes", name, "_data");
  }

  /** Where the record of files that a watch has synchronised into a volume is kept. */
  syncedFile(name: string): string {
    return join(this.#ownPath(name), "..", "synced");
  }

  /** Creates a volume and returns it with its directory; an existing one is returned unchanged. Throws BAD_VOLUME_NAME. */
  create(config: VolumeConfig): VolumeRecord {
    const path = this.#ownPath(config.name);
    const known = this.get(config.name);
    const record = known ?? { createdAt: new Date().toISOString(), config };
    // write the record first, so that a killed bayd leaves no directory without a record
    if (!known) this.store.put(KEY + config.name, record);
    try {
      makeDirectory(path);
    } catch (error) {
      if (!known) this.store.delete(KEY + config.name);
      throw error;
    }
    return record;
  }

  /** Locks a volume while its files are read or restored; returns the function that unlocks it. Throws VOLUME_BUSY. */
  hold(name: string, what: "backed up" | "restored"): () => void {
    const held = this.#held.get(name);
    if (held && (what === "restored" || held.what === "restored")) throw busy(name, held.what);
    const count = (held?.count ?? 0) + 1;
    this.#held.set(name, { what, count });
    return () => {
      const now = this.#held.get(name)!;
      if (now.count === 1) this.#held.delete(name);
      else this.#held.set(name, { what, count: now.count - 1 });
    };
  }

  /** Records the progress of a restore; undefined when it is complete. */
  noteRestore(name: string, restore: VolumeRestore | undefined): void {
    const { restore: _, isFilling: __, ...record } = this.get(name)!;
    this.store.put(KEY + name, restore ? { ...record, restore } : record);
  }

  #requireWhole(name: string): void {
    if (this.get(name)?.restore) throw busy(name, "restored");
  }

  /** Changes fields that exist in the record only. */
  change(name: string, { labels, device, mount }: Pick<VolumeConfig, "labels" | "device" | "mount">): void {
    const record = this.get(name);
    if (record)
      this.store.put(KEY + name, { ...record, config: { ...record.config, labels, device, mount } });
  }

  /**
   * Fills a volume that is empty, or that an interrupted copy left half filled; any other is unchanged. It is filled in
   * place, because another container may have mounted it already.
   */
  fill(name: string, copyInto: (directory: string) => Promise<void>): Promise<void> {
    const running = this.#fills.get(name);
    if (running) return running;
    const fill = this.#fillNow(name, copyInto).finally(() => this.#fills.delete(name));
    this.#fills.set(name, fill);
    return fill;
  }

  async #fillNow(name: string, copyInto: (directory: string) => Promise<void>): Promise<void> {
    this.#requireWhole(name);
    const record = this.get(name)!;
    if (!record.isFilling && readdirSync(this.path(name)).length > 0) return;
    this.store.put(KEY + name, { ...record, isFilling: true });
    await copyInto(this.path(name));
    const { isFilling: _, ...now } = this.get(name) ?? record;
    this.store.put(KEY + name, now);
  }

  /** Call it before a container that uses the volume starts. Throws VOLUME_MOUNT, VOLUME_BUSY. */
  async attach(name: string): Promise<void> {
    this.#requireWhole(name);
    await this.mount(name);
  }

  /** Mounts a volume that is a file system. Throws VOLUME_MOUNT. */
  async mount(name: string): Promise<void> {
    const mount = this.get(name)?.config.mount;
    if (mount) await mountVolume(name, this.#ownPath(name), mount);
  }

  /** Call it when no running container uses the volume. A volume that is being backed up or restored stays mounted. */
  detach(name: string): void {
    if (this.#held.has(name)) return;
    if (this.get(name)?.config.mount) unmountVolume(this.#ownPath(name));
  }

  /** Where a restore keeps the new and the old files: beside the volume, or inside it if that is another file system. */
  restorePlaces(name: string): { directory: string; data: string; staging: string } {
    const own = this.#ownPath(name);
    const { device, mount } = this.get(name)!.config;
    if (!device && !mount) return { directory: join(own, ".."), data: "/_data", staging: "_restore" };
    const staging = `.bay-restore-${randomBytes(8).toString("hex")}`;
    return { directory: this.path(name), data: "/", staging };
  }

  /**
   * Removes a volume and its files, but not those of a bound directory; ignores one that does not exist.
   * Throws VOLUME_BUSY.
   */
  remove(name: string): void {
    const held = this.#held.get(name);
    if (held) throw busy(name, held.what);
    this.detach(name);
    rmSync(join(this.#ownPath(name), ".."), { recursive: true, force: true });
    this.store.delete(KEY + name);
  }
}

function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  mkdirSync(path, { recursive: true, mode: 0o755 });
  chmodSync(path, 0o755); // the mode must not depend on the umask
}

function busy(name: string, what: string): BayError {
  return new BayError("VOLUME_BUSY", `the volume ${name} is being ${what}`, {
    hint: "try again when the operation has ended",
  });
}
