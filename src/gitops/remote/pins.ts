/** Which commit or digest an address of a remote stack file stands for: kept until the user asks to fetch it again. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { hasCode, messageOf } from "../../core/errors.ts";
import type { RemoteFile } from "../../stack/index.ts";
import { replaceFile } from "../../store/index.ts";

const pinSchema = z.object({
  address: z.string().max(4096),
  file: z.string().max(4096),
  root: z.string().max(4096),
  version: z.string().max(100),
});

const hashOf = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 24);

export class Pins {
  constructor(readonly directory: string) {}

  /** Where the files of an address at a commit or digest are. */
  filesOf(address: string, version: string): string {
    return join(
      this.directory,
      "files",
      `${hashOf(address)}-${version.replace(/^sha256:/, "").slice(0, 40)}`,
    );
  }

  /** A new directory for one fetch of this process. Removes those of processes that have ended. */
  workFolder(): string {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.directory)) {
      const pid = /^fetch-(\d+)-/.exec(name)?.[1];
      if (pid && !isRunning(Number(pid)))
        rmSync(join(this.directory, name), { recursive: true, force: true });
    }
    return mkdtempSync(join(this.directory, `fetch-${process.pid}-`));
  }

  #fileOf(address: string): string {
    return join(this.directory, "pins", `${hashOf(address)}.json`);
  }

  /** Undefined if the address was not fetched, or if its files were removed. */
  get(address: string): RemoteFile | undefined {
    const pinFile = this.#fileOf(address);
    if (!existsSync(pinFile)) return undefined;
    try {
      const pin = pinSchema.parse(JSON.parse(readFileSync(pinFile, "utf8")));
      if (pin.address !== address || !existsSync(pin.file)) return undefined;
      const { file, root, version } = pin;
      return { file, root, version, pinFile };
    } catch (error) {
      process.stderr.write(`warning: ${pinFile} cannot be read and is not used: ${messageOf(error)}\n`);
      return undefined;
    }
  }

  put(address: string, pin: Omit<RemoteFile, "pinFile">): RemoteFile {
    const pinFile = this.#fileOf(address);
    mkdirSync(join(this.directory, "pins"), { recursive: true, mode: 0o700 });
    replaceFile(pinFile, JSON.stringify({ address, ...pin }), 0o600);
    return { ...pin, pinFile };
  }
}

/** Gives a fetched directory its place, if another process has not put the same version there in the meantime. */
export function placeOnce(fetched: string, place: string): void {
  mkdirSync(dirname(place), { recursive: true, mode: 0o700 });
  try {
    renameSync(fetched, place);
  } catch (error) {
    if (!hasCode(error, "ENOTEMPTY") && !hasCode(error, "EEXIST")) throw error;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasCode(error, "ESRCH");
  }
}
