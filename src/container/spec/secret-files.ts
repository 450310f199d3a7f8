/**
 * Contents of secrets and configs, by digest. They are not on /run, because containers start again after a reboot; therefore
 * they are encrypted. A running container has its own copies, with its owners and modes.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import { replaceFile } from "../../store/index.ts";
import type { FileConfig } from "../model/config.ts";
import { Seal } from "./seal.ts";

const DIGEST = /^[0-9a-f]{64}$/;

export class SecretFiles {
  readonly #seal: Seal;

  /** Digests of contents whose containers are being created. */
  readonly #held: string[] = [];
  /** Digests of contents that are needed in addition to those of containers. */
  needed: () => Iterable<string> = () => [];

  /** `ofContainers` lists the digests of the contents that containers use. */
  constructor(
    readonly directory: string,
    readonly ofContainers: () => Iterable<string>,
  ) {
    this.#seal = new Seal(`${directory}.key`);
  }

  /**
   * Stores contents while the containers that use them are created. Throws FILE_CHANGED. Returns the function that releases
   * them: after that, they are kept as long as a container uses them.
   */
  hold<F extends Pick<FileConfig, "kind" | "name" | "digest">>(
    files: readonly F[],
    read: (file: F) => Buffer,
  ): () => void {
    for (const file of files) this.#held.push(file.digest);
    const release = () => {
      for (const { digest } of files) this.#held.splice(this.#held.indexOf(digest), 1);
    };
    try {
      for (const file of files) this.keep(file.digest, () => read(file), `the ${file.kind} ${file.name}`);
      return release;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Stores a content under its digest. Throws FILE_CHANGED if its digest differs. */
  keep(digest: string, read: () => Buffer, name: string): void {
    const path = this.#path(digest);
    if (existsSync(path)) return;
    const bytes = read();
    if (createHash("sha256").update(bytes).digest("hex") !== digest)
      throw new BayError("FILE_CHANGED", `${name} changed after it was read`, {
        hint: "run the command again",
      });
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    replaceFile(path, this.#seal.close(bytes), 0o600);
  }

  #path(digest: string): string {
    if (!DIGEST.test(digest)) throw new BayError("BAD_DIGEST", `invalid digest ${JSON.stringify(digest)}`);
    return join(this.directory, digest);
  }

  /**
   * Copies contents for a container that starts, as files of a new directory, in their order. Files without an owner belong
   * to the `account`. Throws NO_CONTENT.
   */
  writeFor(
    files: readonly FileConfig[],
    directory: string,
    account: { uid: number; gid: number },
  ): { target: string; file: string }[] {
    rmSync(directory, { recursive: true, force: true });
    if (files.length === 0) return [];
    mkdirSync(directory, { mode: 0o711 });
    return files.map(({ kind, name, target, digest, uid = account.uid, gid = account.gid, mode }, index) => {
      const source = this.#path(digest);
      if (!existsSync(source))
        throw new BayError("NO_CONTENT", `the content of the ${kind} ${name} is missing`, {
          hint: "run bay up to restore it",
        });
      const file = join(directory, String(index));
      writeFileSync(file, this.#seal.open(readFileSync(source), digest, `${kind} ${name}`), { mode: 0o600 });
      chownSync(file, uid, gid);
      chmodSync(file, mode);
      return { target, file };
    });
  }

  /** Removes the contents that are no longer needed. */
  sweep(): void {
    const names = existsSync(this.directory) ? readdirSync(this.directory) : [];
    if (names.length === 0) return; // most stacks have none, and containers are removed often
    const used = new Set([...this.ofContainers(), ...this.#held, ...this.needed()]);
    for (const name of names) if (!used.has(name)) rmSync(join(this.directory, name), { force: true });
  }
}
