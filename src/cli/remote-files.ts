/** Loading stacks whose files are partly in git repositories and registries. */
import { BayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { withoutPasswords } from "../core/redaction.ts";
import type { RemoteFile } from "../stack/files/remote.ts";
import type { LoadOptions } from "../stack/index.ts";

const { addresses: MAX_ADDRESSES, rounds: MAX_ROUNDS } = LIMITS.remoteFiles;

/** `refresh` fetches every file again; `pinned` uses only what was fetched before. */
type Fetching = "fetch" | "refresh" | "pinned";

/** Returns the local copy. `isForeign`: a fetched file names the address, and not the user. */
type Fetch = (address: string, isForeign: boolean) => Promise<RemoteFile>;

export class RemoteFiles {
  readonly #known: Record<string, RemoteFile> = {};

  constructor(
    readonly root: string,
    readonly fetching: Fetching,
    readonly fetch: Fetch = (address, isForeign) => fetched(root, address, fetching, isForeign),
  ) {}

  /** Files whose change means that a remote file was fetched again. */
  get pinFiles(): string[] {
    return Object.values(this.#known).map(({ pinFile }) => pinFile);
  }

  /**
   * Loads, fetches the files that loading asks for, and loads again until none is missing. Throws what `load` and fetching throw,
   * and REMOTE_FILE if there are too many addresses or levels (LIMITS.remoteFiles).
   */
  async load<T>(options: LoadOptions, load: (options: LoadOptions) => T): Promise<T> {
    for (let round = 0; ; round++) {
      const missing = new Map<string, boolean>();
      const known = Object.keys(this.#known).length;
      const request = {
        ...options,
        ...(known > 0 ? { remotes: { ...this.#known } } : {}),
        // the user's own address keeps the user's credentials, even if a fetched file names it, too
        onRemote: (address: string, isForeign: boolean) =>
          void missing.set(address, isForeign && (missing.get(address) ?? true)),
      };
      let result: T | undefined;
      let failure: unknown;
      try {
        result = load(request);
      } catch (error) {
        failure = error;
      }
      if (missing.size === 0) {
        if (failure !== undefined) throw failure;
        return result as T;
      }
      const [next] = missing.keys();
      if (round >= MAX_ROUNDS)
        throw tooMany(next!, `more than ${MAX_ROUNDS} levels of fetched files include each other`);
      if (known + missing.size > MAX_ADDRESSES)
        throw tooMany(next!, `the stack has more than ${MAX_ADDRESSES} remote files`);
      for (const [address, isForeign] of missing) this.#known[address] = await this.fetch(address, isForeign);
    }
  }
}

const tooMany = (address: string, message: string) =>
  new BayError("REMOTE_FILE", `${withoutPasswords(address)} is not fetched: ${message}`);

async function fetched(
  root: string,
  address: string,
  fetching: Fetching,
  isForeign: boolean,
): Promise<RemoteFile> {
  const { pinnedFile, remoteFile } = await import("../gitops/remote/fetch-remote.ts");
  if (fetching !== "pinned")
    return remoteFile(root, address, { isRefreshed: fetching === "refresh", isForeign });
  const pinned = pinnedFile(root, address);
  if (pinned) return pinned;
  throw new BayError("REMOTE_FILE", `${withoutPasswords(address)} was not fetched yet`);
}
