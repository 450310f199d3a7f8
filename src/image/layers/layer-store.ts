/**
 * Unpacked layers by diff ID: `layers/HEX16/`. Each layer is unpacked once and shared by all images; it gets its name only
 * when it is complete.
 */
import { randomBytes } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import { naming } from "./bounds.ts";
import { type Piece, runLayerTask } from "./layer-pool.ts";
import { removeTree, removeTreeNow } from "./remove-tree.ts";

/** The name of a layer's directory; short, because overlayfs has one page for all of them. Throws BAD_DIGEST. */
export function layerName(diffId: string): string {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(diffId)?.[1];
  if (!hex) throw new BayError("BAD_DIGEST", `${JSON.stringify(diffId)} is not a sha256 digest`);
  return hex.slice(0, 16);
}

export class LayerStore {
  readonly directory: string;
  readonly #running = new Map<string, Promise<void>>();

  constructor(root: string) {
    this.directory = join(root, "layers");
    mkdirSync(this.directory, { recursive: true });
  }

  has(diffId: string): boolean {
    return existsSync(join(this.directory, layerName(diffId)));
  }

  /**
   * Unpacks a layer, plain or compressed, and verifies its diff ID; `digest` is the digest of the piece, if known. Two calls
   * for the same layer unpack it once. Throws WRONG_DIGEST, BAD_LAYER, BAD_TAR.
   */
  unpack(piece: Piece, diffId: string, digest?: string): Promise<void> {
    if (this.has(diffId)) return Promise.resolve();
    const known = this.#running.get(diffId);
    // an error of the other call, such as an interrupted download, does not make this one fail
    if (known) return known.catch(() => this.unpack(piece, diffId, digest));
    const task = this.#unpack(piece, diffId, digest).finally(() => this.#running.delete(diffId));
    this.#running.set(diffId, task);
    return task;
  }

  async #unpack(piece: Piece, diffId: string, digest: string | undefined): Promise<void> {
    const directory = join(this.directory, `.new-${randomBytes(6).toString("hex")}`);
    mkdirSync(directory, { mode: 0o755 });
    try {
      const actual = await runLayerTask({ kind: "unpack", piece, directory, digest }).catch((error) => {
        throw naming(`the layer ${digest ?? diffId}`, error);
      });
      if (actual !== diffId)
        throw new BayError(
          "WRONG_DIGEST",
          `the digest of the layer is ${actual}, but the image has ${diffId}`,
        );
      const place = join(this.directory, layerName(diffId));
      if (lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink()) unlinkSync(place); // to a removed target
      renameSync(directory, place);
    } finally {
      await removeTree(directory);
    }
  }

  /** Short names of the complete layers. */
  list(): string[] {
    return readdirSync(this.directory).filter((name) => /^[0-9a-f]{16}$/.test(name));
  }

  /**
   * A layer of bay's own below every image: the directories and files on which a container's mounts are mounted. Without it
   * each start would create them in the container's writable layer. Returns its short name.
   */
  mountPoints(): string {
    const name = "mount-points";
    const target = join(this.directory, name);
    if (existsSync(target)) return name;
    const fresh = join(this.directory, `.new-${randomBytes(6).toString("hex")}`);
    for (const directory of ["dev", "proc", "sys", "etc"])
      mkdirSync(join(fresh, directory), { recursive: true, mode: 0o755 });
    for (const file of ["hosts", "hostname", "resolv.conf"])
      writeFileSync(join(fresh, "etc", file), "", { mode: 0o644 });
    renameSync(fresh, target);
    return name;
  }

  /**
   * Makes a directory beside the layers a layer: with a symlink, as long as its creator keeps the directory; `take` moves it
   * to the layer's own path.
   */
  link(diffId: string, name: string): void {
    const place = join(this.directory, layerName(diffId));
    if (!existsSync(place)) symlinkSync(name, place);
  }

  /** Moves a directory that was a layer through a symlink to the layer's path. Returns whether it was one. */
  take(name: string): boolean {
    const place = readdirSync(this.directory, { withFileTypes: true })
      .filter((entry) => entry.isSymbolicLink())
      .map((entry) => join(this.directory, entry.name))
      .find((link) => readlinkSync(link) === name);
    if (place === undefined) return false;
    // a kill in between leaves no layer, which is then unpacked again
    unlinkSync(place);
    renameSync(join(this.directory, name), place);
    return true;
  }

  /** A temporary path; the next start removes what a killed process leaves there. */
  temporary(): string {
    return join(this.directory, `.tmp-${randomBytes(6).toString("hex")}`);
  }

  /** Removes what a killed process left unfinished. Only at start, when nothing is running. */
  sweep(): void {
    for (const name of readdirSync(this.directory)) {
      if (name.startsWith(".")) removeTreeNow(join(this.directory, name));
    }
  }
}
