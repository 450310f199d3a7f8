/** Loading stacks whose files are partly in git repositories and registries. */
import type { RemoteFile } from "../stack/files/remote.ts";
import type { LoadOptions } from "../stack/index.ts";

/** A file can include files that include others. */
const MAX_ROUNDS = 16;

export class RemoteFiles {
  readonly #known: Record<string, RemoteFile> = {};

  constructor(
    readonly root: string,
    readonly isRefreshed: boolean,
  ) {}

  /** Files whose change means that a remote file was fetched again. */
  get pinFiles(): string[] {
    return Object.values(this.#known).map(({ pinFile }) => pinFile);
  }

  /** Loads, fetches the files that loading asks for, and loads again until none is missing. */
  async load<T>(options: LoadOptions, load: (options: LoadOptions) => T): Promise<T> {
    for (let round = 0; ; round++) {
      const missing = new Set<string>();
      const hasRemotes = Object.keys(this.#known).length > 0;
      const request = {
        ...options,
        ...(hasRemotes ? { remotes: { ...this.#known } } : {}),
        onRemote: (address: string) => void missing.add(address),
      };
      let result: T | undefined;
      let failure: unknown;
      try {
        result = load(request);
      } catch (error) {
        failure = error;
      }
      if (missing.size === 0 || round >= MAX_ROUNDS) {
        if (failure !== undefined) throw failure;
        return result as T;
      }
      const { remoteFile } = await import("../gitops/remote/fetch-remote.ts");
      for (const address of missing)
        this.#known[address] = await remoteFile(this.root, address, { isRefreshed: this.isRefreshed });
    }
  }
}
