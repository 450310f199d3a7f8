/**
 * The cache for images of Debian packages, in `apt/` of bay's root: `base-KEY-SHA256.tar`, a base for each suite, mirror and
 * selection of files, and `packages/`, the downloaded packages. Nothing in it is trusted: a base is used only if its content
 * has the digest in its name, and a package if it has the digest in the signed index. A file that a crash or a user damaged
 * is created again, and any file may be removed at any time.
 */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, existsSync, readdirSync } from "node:fs";
import { link, lstat, mkdir, readdir, rename, rm, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { AptPackages } from "../../../core/apt-packages.ts";
import { BayError, hasCode } from "../../../core/errors.ts";
import { removeTree, removeTreeNow } from "../../layers/remove-tree.ts";
import { SharedWork } from "../../store/shared-work.ts";
import type { AptWork } from "./build.ts";

/** The size limit of all bases and packages; beyond it the least recently used are removed. */
export const MAX_BYTES = 4 * 2 ** 30;
const BASE = /^base-([0-9a-f]{16})-([0-9a-f]{64})\.tar$/;

/** A base, or the directory of packages. */
export interface AptEntry {
  name: string;
  path: string;
  createdAt: string;
  usedAt: string;
  /** Bytes. */
  size: number;
}

interface KeptFile {
  path: string;
  /** Bytes. */
  size: number;
  /** The time of the last use, in milliseconds since 1970. */
  usedAt: number;
  createdAt: number;
}

export class AptCache {
  readonly directory: string;
  readonly #packages: string;
  readonly #making = new Map<string, SharedWork<void>>();

  constructor(root: string) {
    this.directory = join(root, "apt");
    this.#packages = join(this.directory, "packages");
  }

  /**
   * Writes an image of Debian packages as a tar, from a base, which is created if there is none, or none that is up to date.
   * The directory of the target must be on the file system of bay's root. Throws MISSING_TOOL, ABORTED, APT_FAILED.
   */
  async makeTar(wanted: AptPackages, target: string, work: AptWork): Promise<void> {
    const { buildAptTar } = await import("./build.ts");
    const folder = dirname(target);
    const kept = join(folder, "packages");
    const files = { target, base: join(folder, "base.tar"), cache: this.#packages, kept };
    await mkdir(this.directory, { recursive: true, mode: 0o711 }); // apt's own user works below it
    await mkdir(kept);
    const used = await this.#takeBase(wanted, files.base, work);
    try {
      await buildAptTar(wanted, files, { ...work, mustBeCurrent: true });
    } catch (error) {
      if (!hasCode(error, "OUTDATED_BASE")) throw error;
      work.say?.(`the base of ${wanted.suite} is out of date`);
      await rm(join(this.directory, used), { force: true });
      await rm(files.base);
      await this.#takeBase(wanted, files.base, work);
      // apt may hold a package back: the new base is used without another check
      await buildAptTar(wanted, files, { ...work, mustBeCurrent: false });
    }
    await this.#keepPackages(kept);
    await this.trim();
  }

  /**
   * Links the base of some packages to a path, and creates it first if there is none. Two images that need the same base
   * create it once. Returns the base's name.
   */
  async #takeBase(wanted: AptPackages, path: string, work: AptWork): Promise<string> {
    const key = keyOf(wanted);
    // again if another image finds the base out of date between its creation and the link
    for (let tries = 0; tries < 3; tries++) {
      const name = this.#names().find((other) => BASE.exec(other)?.[1] === key);
      if (name !== undefined && (await this.#linkBase(name, path, wanted, work))) return name;
      try {
        await this.#makeBase(key, wanted, work);
      } catch (error) {
        // another image was creating it, and was cancelled when this one began to wait
        if (!hasCode(error, "ABORTED") || work.signal?.aborted) throw error;
      }
    }
    throw new BayError("APT_FAILED", `the base of ${wanted.suite} was repeatedly removed while it was used`);
  }

  /** Whether a base is intact, and could be linked to a path. A damaged one is removed. */
  async #linkBase(name: string, path: string, { suite }: AptPackages, work: AptWork): Promise<boolean> {
    const base = join(this.directory, name);
    try {
      await link(base, path);
    } catch (error) {
      if (hasCode(error, "ENOENT")) return false;
      throw error;
    }
    if ((await digestOf(path)) === BASE.exec(name)?.[2]) {
      const now = new Date();
      await utimes(path, now, now);
      return true;
    }
    work.say?.(`the base of ${suite} is damaged`);
    await Promise.all([rm(base, { force: true }), rm(path)]);
    return false;
  }

  async #makeBase(key: string, wanted: AptPackages, work: AptWork): Promise<void> {
    const known = this.#making.get(key);
    if (known) {
      work.say?.(`waiting for the base of ${wanted.suite}, which another image is building`);
      return known.join(work.signal);
    }
    const making = new SharedWork(
      async (signal) => {
        work.say?.(`building the base of ${wanted.suite}`);
        const folder = join(this.directory, `.new-${randomBytes(6).toString("hex")}`);
        await mkdir(folder, { mode: 0o711 });
        try {
          const file = join(folder, "root.tar");
          const { buildAptBase } = await import("./build.ts");
          await buildAptBase(wanted, file, { ...work, signal });
          await rename(file, join(this.directory, `base-${key}-${await digestOf(file)}.tar`));
        } finally {
          await removeTree(folder);
        }
      },
      () => this.#making.delete(key),
    );
    this.#making.set(key, making);
    await making.join(work.signal);
  }

  /** Moves new packages into the cache. */
  async #keepPackages(from: string): Promise<void> {
    await mkdir(this.#packages, { recursive: true, mode: 0o711 });
    for (const name of await readdir(from))
      await rename(join(from, name), join(this.#packages, name)).catch(() => {}); // removed meanwhile
  }

  /** Removes the least recently used entries beyond a number of bytes. */
  async trim(maxBytes = MAX_BYTES): Promise<void> {
    const files = [...(await this.#bases()), ...(await filesIn(this.#packages))];
    let total = 0;
    for (const { path, size } of files.sort((a, b) => b.usedAt - a.usedAt)) {
      total += size;
      if (total > maxBytes) await rm(path, { force: true });
    }
  }

  async list(): Promise<AptEntry[]> {
    const bases = (await this.#bases()).map((file) => entryOf(file.path, [file]));
    const packages = await filesIn(this.#packages);
    return packages.length > 0 ? [...bases, entryOf(this.#packages, packages)] : bases;
  }

  /** Removes an entry. Images that are being created from it have their own link. */
  remove({ path }: AptEntry): void {
    removeTreeNow(path);
  }

  /** Removes what a killed bayd left unfinished. Only at start. */
  sweep(): void {
    for (const name of this.#names()) if (name.startsWith(".")) removeTreeNow(join(this.directory, name));
  }

  #names(): string[] {
    return existsSync(this.directory) ? readdirSync(this.directory) : [];
  }

  async #bases(): Promise<KeptFile[]> {
    const files = await filesIn(this.directory);
    return files.filter(({ path }) => BASE.test(path.slice(this.directory.length + 1)));
  }
}

function keyOf({ suite, components, mirror, snapshot, keep }: AptPackages): string {
  const parts = [suite, components, mirror ?? "", snapshot ?? "", [...keep].sort()];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}

/** The files of a directory; none if it does not exist. Files that are removed meanwhile are omitted. */
async function filesIn(directory: string): Promise<KeptFile[]> {
  const names = await readdir(directory).catch((error: unknown): string[] => {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  });
  const files = await Promise.all(
    names.map(async (name): Promise<KeptFile[]> => {
      const path = join(directory, name);
      const found = await lstat(path).catch(() => undefined);
      if (!found?.isFile()) return [];
      return [{ path, size: found.size, usedAt: found.mtimeMs, createdAt: found.birthtimeMs }];
    }),
  );
  return files.flat();
}

function entryOf(path: string, files: readonly KeptFile[]): AptEntry {
  return {
    name: path.slice(path.lastIndexOf("/") + 1),
    path,
    createdAt: new Date(Math.min(...files.map(({ createdAt }) => createdAt))).toISOString(),
    usedAt: new Date(Math.max(...files.map(({ usedAt }) => usedAt))).toISOString(),
    size: files.reduce((sum, { size }) => sum + size, 0),
  };
}
