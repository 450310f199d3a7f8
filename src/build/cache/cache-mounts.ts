/** What builds keep besides layers: the directories of cache mounts, by ID, and digests of contents. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "../../image/index.ts";
import type { Store } from "../../store/index.ts";

export interface CacheMountRecord {
  /** The mount's ID and its initial content; unique with `place`. */
  key: string;
  /** Its directory's name. */
  place: string;
  /** The ID in RUN --mount. */
  id: string;
  createdAt: string;
  usedAt: string;
}

export type Sharing = "shared" | "private" | "locked";

const KEY = "build-cache/";
const PREFIX = "mount-";
const DIGESTS = /^digests-.*\.json$/;

export class CacheMounts {
  /** Directories in use, how many steps use each, and whether they use it exclusively. */
  readonly #users = new Map<
    string,
    { count: number; isAlone: boolean; gone: Promise<void>; end: () => void }
  >();

  /** Keys whose first directory is being created. */
  readonly #creating = new Map<string, Promise<void>>();

  constructor(
    /** Outside of the layers, as caches are not part of any image. */
    readonly directory: string,
    readonly store: Store,
  ) {}

  list(): CacheMountRecord[] {
    return this.store.list<CacheMountRecord>(KEY);
  }

  isInUse({ place }: CacheMountRecord): boolean {
    return this.#users.has(place);
  }

  pathOf({ place }: CacheMountRecord): string {
    return join(this.directory, place);
  }

  /** The file that records digests of a directory's contents. */
  digestFile(name: string): string {
    this.#make();
    return join(this.directory, `digests-${name}.json`);
  }

  #make(): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
  }

  /**
   * A directory for one RUN: shared by all that use it, used by one after another if it is locked, or a separate
   * one if it is private. `fill` creates its initial content. Release it with `giveBack`.
   */
  async take(
    { key, id, sharing }: { key: string; id: string; sharing: Sharing },
    fill: (directory: string) => Promise<void>,
  ): Promise<{ directory: string; giveBack: () => void }> {
    const isAlone = sharing !== "shared";
    let record: CacheMountRecord | undefined;
    for (;;) {
      if (sharing !== "private") await this.#creating.get(key);
      record = this.#find(key, sharing);
      const users = record && this.#users.get(record.place);
      if (users && (isAlone || users.isAlone)) await users.gone;
      else if (sharing === "private" || !this.#creating.has(key)) break;
    }
    const place = record?.place ?? `${PREFIX}${randomBytes(8).toString("hex")}`;
    const giveBack = this.#enter(place, isAlone);
    try {
      const note = (now = new Date().toISOString()) =>
        this.store.put(KEY + place, { key, place, id, createdAt: record?.createdAt ?? now, usedAt: now });
      if (record) note();
      else {
        const creating = this.#create(place, fill).then(() => note());
        this.#creating.set(
          key,
          creating.catch(() => {}).finally(() => this.#creating.delete(key)),
        );
        await creating;
      }
      return { directory: join(this.directory, place), giveBack };
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  /** An existing directory; for private ones, one that is free. */
  #find(key: string, sharing: Sharing): CacheMountRecord | undefined {
    return this.list().find(
      (record) =>
        record.key === key &&
        existsSync(this.pathOf(record)) &&
        !(sharing === "private" && this.isInUse(record)),
    );
  }

  #enter(place: string, isAlone: boolean): () => void {
    let users = this.#users.get(place);
    if (!users) {
      let end: () => void = () => {};
      const gone = new Promise<void>((resolve) => {
        end = resolve;
      });
      users = { count: 0, isAlone, gone, end };
      this.#users.set(place, users);
    }
    const entered = users;
    entered.count += 1;
    return () => {
      entered.count -= 1;
      if (entered.count > 0) return;
      this.#users.delete(place);
      entered.end();
    };
  }

  async #create(place: string, fill: (directory: string) => Promise<void>): Promise<void> {
    this.#make();
    // the next start removes directories with such a name
    const temporary = join(this.directory, `.${place}`);
    mkdirSync(temporary);
    try {
      await fill(temporary);
      renameSync(temporary, join(this.directory, place));
    } catch (error) {
      await removeTree(temporary);
      throw error;
    }
  }

  remove(records: readonly CacheMountRecord[]): void {
    for (const { place } of records) {
      this.store.delete(KEY + place);
      this.#removeDirectory(place);
    }
  }

  #removeDirectory(place: string): void {
    if (!existsSync(join(this.directory, place))) return;
    const gone = join(this.directory, `.gone-${place}`);
    renameSync(join(this.directory, place), gone);
    void removeTree(gone);
  }

  /** Cached digests unused since then; without them, the contents are read again. */
  removeDigests(before: number): void {
    if (!existsSync(this.directory)) return;
    for (const name of readdirSync(this.directory))
      if (DIGESTS.test(name) && statSync(join(this.directory, name)).mtimeMs < before)
        rmSync(join(this.directory, name), { force: true });
  }

  /** Removes unfinished directories of a killed bayd, and unknown ones. Only at start. */
  sweep(): void {
    if (!existsSync(this.directory)) return;
    const known = new Set(this.list().map(({ place }) => place));
    for (const name of readdirSync(this.directory))
      if (!known.has(name) && !DIGESTS.test(name)) void removeTree(join(this.directory, name));
  }
}
