/** Named and anonymous volumes: `volumes/NAME/_data`, as Docker's local driver lays them out. */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BayError } from "../errors.ts";
import type { Store } from "../store/index.ts";

export interface VolumeConfig {
  name: string;
  stack: string | undefined;
  key: string | undefined;
  anonymous: boolean;
  labels: Record<string, string>;
}

export interface VolumeRecord {
  createdAt: string;
  config: VolumeConfig;
}

const KEY = "volume/";
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

export class VolumeStore {
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
    if (!NAME.test(name)) throw new BayError("BAD_VOLUME_NAME", `${JSON.stringify(name)} is no volume name`);
    return join(this.root, "volumes", name, "_data");
  }

  /** Makes a volume; one of the name that is there already is given as it is. */
  create(config: VolumeConfig): VolumeRecord {
    const known = this.get(config.name);
    const path = this.path(config.name);
    if (!existsSync(path)) {
      mkdirSync(path, { recursive: true, mode: 0o755 });
      chmodSync(path, 0o755);
    }
    if (known) return known;
    const record = { createdAt: new Date().toISOString(), config };
    this.store.put(KEY + config.name, record);
    return record;
  }

  isEmpty(name: string): boolean {
    return readdirSync(this.path(name)).length === 0;
  }

  /** Removes a volume and its files; one that is gone is no error. */
  remove(name: string): void {
    rmSync(join(this.path(name), ".."), { recursive: true, force: true });
    this.store.delete(KEY + name);
  }
}
