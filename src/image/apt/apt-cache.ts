/**
 * What images of Debian packages share: a base for each suite and mirror, and the packages that were downloaded, in
 * `apt/` of bay's root. Another mirror has other folders: apt trusts a file of the right name and size.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "../remove-tree.ts";
import { SharedWork } from "../shared-work.ts";
import { type AptPackages, type AptWork, buildAptBase } from "./build.ts";

/** A base is brought up to date with each use, and made again when that has become much. */
const BASE_AGE = 24 * 3600_000;
/** Packages of one mirror and suite; the oldest are removed beyond it. */
const CACHE_BYTES = 2 * 2 ** 30;
const NAME = /^(base-[0-9a-f]{16}\.tar|packages-[0-9a-f]{16})$/;

/** A base or a folder of packages. */
export interface AptEntry {
  name: string;
  path: string;
  isInUse: boolean;
  createdAt: string;
  usedAt: string;
  /** Bytes. */
  size: number;
}

const digestOf = (parts: unknown) =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);

export class AptCache {
  readonly directory: string;
  readonly #making = new Map<string, SharedWork<void>>();
  readonly #users = new Map<string, number>();

  constructor(root: string) {
    this.directory = join(root, "apt");
  }

  /**
   * Runs an action with the base and the package folder for some packages; the base is made where there is none. Two
   * images that need one base make it once. Throws as `buildAptTar`.
   */
  async with<T>(
    wanted: AptPackages,
    work: Omit<AptWork, "cache">,
    action: (base: string, cache: string) => Promise<T>,
  ): Promise<T> {
    const { suite, components, mirror, snapshot, keep } = wanted;
    const source = [suite, components, mirror ?? "", snapshot ?? ""];
    const names = [`base-${digestOf([...source, [...keep].sort()])}.tar`, `packages-${digestOf(source)}`];
    const [base, cache] = names.map((name) => join(this.directory, name)) as [string, string];
    for (const name of names) this.#users.set(name, (this.#users.get(name) ?? 0) + 1);
    try {
      mkdirSync(this.directory, { recursive: true, mode: 0o711 }); // apt's own user works below it
      mkdirSync(cache, { recursive: true, mode: 0o700 });
      this.#removeOldPackages(cache);
      await this.#makeBase(base, wanted, { ...work, cache });
      const now = new Date();
      utimesSync(cache, now, now);
      utimesSync(base, now, statSync(base).mtime);
      return await action(base, cache);
    } finally {
      for (const name of names) this.#users.set(name, this.#users.get(name)! - 1);
    }
  }

  async #makeBase(base: string, wanted: AptPackages, work: AptWork): Promise<void> {
    const known = this.#making.get(base);
    if (known) {
      work.say?.(`waiting for the base of ${wanted.suite}, which another image makes`);
      return known.join(work.signal);
    }
    const age = Date.now() - (statSync(base, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    if (age < BASE_AGE || (existsSync(base) && wanted.snapshot !== undefined)) return;
    const making = new SharedWork(
      async (signal) => {
        work.say?.(`making the base of ${wanted.suite}`);
        const folder = join(this.directory, `.new-${digestOf([base, Date.now()])}`);
        mkdirSync(folder, { mode: 0o711 });
        try {
          const file = join(folder, "root.tar");
          await buildAptBase(wanted, file, { ...work, signal });
          renameSync(file, base);
        } finally {
          await removeTree(folder);
        }
      },
      () => this.#making.delete(base),
    );
    this.#making.set(base, making);
    await making.join(work.signal);
  }

  #removeOldPackages(cache: string): void {
    let total = 0;
    for (const { path, size } of filesIn(cache).sort((a, b) => b.mtimeMs - a.mtimeMs)) {
      total += size;
      if (total > CACHE_BYTES) rmSync(path, { force: true });
    }
  }

  list(): AptEntry[] {
    return this.#names()
      .filter((name) => NAME.test(name))
      .map((name) => {
        const path = join(this.directory, name);
        const { birthtime, atime, mtime, size } = statSync(path);
        const isBase = name.startsWith("base-");
        return {
          name,
          path,
          isInUse: (this.#users.get(name) ?? 0) > 0,
          createdAt: birthtime.toISOString(),
          usedAt: (isBase ? atime : mtime).toISOString(),
          size: isBase ? size : filesIn(path).reduce((sum, file) => sum + file.size, 0),
        };
      });
  }

  /** Removes an entry that is not in use. */
  remove({ path }: AptEntry): void {
    rmSync(path, { recursive: true, force: true });
  }

  /** Removes what a killed bayd left half done. Only at start. */
  sweep(): void {
    for (const name of this.#names())
      if (name.startsWith(".")) rmSync(join(this.directory, name), { recursive: true, force: true });
  }

  #names(): string[] {
    return existsSync(this.directory) ? readdirSync(this.directory) : [];
  }
}

function filesIn(directory: string): { path: string; size: number; mtimeMs: number }[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat ? [{ path, size: stat.size, mtimeMs: stat.mtimeMs }] : [];
  });
}
