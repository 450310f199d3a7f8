/** Shared by commands: the roots, the stack that the options select, and the daemon. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BayError } from "../core/errors.ts";
import { type Roots, resolveRoots, socketPath } from "../core/roots.ts";
import type { Client } from "../daemon/index.ts";
import type { LoadOptions, Stack } from "../stack/index.ts";
import type { Choice, HostOptions } from "./remote/choose-host.ts";
import { selectedHost } from "./remote/selected-host.ts";
import { RemoteFiles } from "./remote-files.ts";

export interface GlobalOptions extends HostOptions {
  file?: string[];
  projectName?: string;
  projectDirectory?: string | undefined;
  envFile?: string[];
  profile?: string[];
  root?: string;
  run?: string;
  repair?: boolean;
  dryRun?: boolean | undefined;
  /** The shell completes a word: nothing is fetched. */
  isCompletion?: boolean;
  /** Fetch remote stack files again. */
  refresh?: boolean;
  /** How many steps run at once. */
  parallel?: number;
}

/**
 * bayd works in bursts and is idle otherwise. V8 by default lets a burst's garbage pile up and keeps the room; here it grows
 * in small steps, and bayd collects when a burst is over. The collector's helper threads would take a tenth of the host's
 * time while many containers start, which the containers need themselves.
 */
const SMALL_HEAP = [
  "--max-semi-space-size=1",
  "--heap-growing-percent=20",
  "--optimize-for-size",
  "--single-threaded-gc",
  "--expose-gc",
];

export class Context {
  readonly roots: Roots;

  constructor(readonly options: GlobalOptions) {
    this.roots = resolveRoots({ root: options.root, run: options.run });
  }

  /** The command that starts bayd, without its arguments. */
  get command(): string[] {
    return [process.execPath, ...SMALL_HEAP, fileURLToPath(new URL("./bay.js", import.meta.url))];
  }

  /** The options that select the stack's files. */
  loadOptions(enable: string[] = []): LoadOptions {
    const { options } = this;
    return {
      files: options.file,
      name: options.projectName,
      projectDirectory: options.projectDirectory,
      envFiles: options.envFile,
      profiles: options.profile,
      enable,
      cwd: process.cwd(),
      environment: process.env,
    };
  }

  #remoteFiles: RemoteFiles | undefined;

  /** Loads with files of git repositories and registries, which are fetched first. Throws what `load` throws, REMOTE_FILE. */
  async load<T>(request: LoadOptions, load: (request: LoadOptions) => T): Promise<T> {
    const { isCompletion, refresh } = this.options;
    this.#remoteFiles ??= new RemoteFiles(
      this.roots.root,
      isCompletion ? "pinned" : refresh ? "refresh" : "fetch",
    );
    return this.#remoteFiles.load(request, load);
  }

  #settings: ((name: string) => string | undefined) | undefined;

  /** A variable that controls commands, such as COMPOSE_REMOVE_ORPHANS: from the environment, or from the stack's env files. */
  async setting(name: string): Promise<string | undefined> {
    if (!this.#settings) {
      const { composeSettings, stackFiles } = await import("../stack/files/find.ts");
      const request = this.loadOptions();
      const [first = "-"] =
        request.projectDirectory === undefined ? await this.load(request, stackFiles) : [];
      this.#settings = composeSettings(request, request.projectDirectory ?? dirname(first));
    }
    return this.#settings(name);
  }

  /** `--remove-orphans`, or COMPOSE_REMOVE_ORPHANS. Throws BAD_OPTION if COMPOSE_IGNORE_ORPHANS contradicts it. */
  async orphans(given: boolean | undefined): Promise<{ removeOrphans: boolean; ignoreOrphans?: true }> {
    const { isYes } = await import("../stack/files/find.ts");
    const removeOrphans = given ?? isYes(await this.setting("COMPOSE_REMOVE_ORPHANS"));
    if (!isYes(await this.setting("COMPOSE_IGNORE_ORPHANS"))) return { removeOrphans };
    if (removeOrphans)
      throw new BayError(
        "BAD_OPTION",
        "COMPOSE_IGNORE_ORPHANS cannot be used together with --remove-orphans",
      );
    return { removeOrphans, ignoreOrphans: true };
  }

  /** COMPOSE_ANSI, COMPOSE_PROGRESS and COMPOSE_STATUS_STDOUT. Invalid values are reported. */
  async #applyDisplay(): Promise<void> {
    const oneOf = async <T extends string>(name: string, values: readonly T[]): Promise<T | undefined> => {
      const value = await this.setting(name);
      if (!value || values.includes(value as T)) return value ? (value as T) : undefined;
      process.stderr.write(`warning: ${name}: expected ${values.join(", ")}, got ${JSON.stringify(value)}\n`);
      return undefined;
    };
    const ansi = await oneOf("COMPOSE_ANSI", ["never", "always", "auto"]);
    const progress = await oneOf("COMPOSE_PROGRESS", ["auto", "tty", "plain", "json", "quiet"]);
    const toStdout = await this.setting("COMPOSE_STATUS_STDOUT");
    await this.#applyParallelLimit();
    if (ansi === undefined && progress === undefined && !toStdout) return;
    const [{ setStyleOfStack }, { isYes }] = await Promise.all([
      import("./ui/output.ts"),
      import("../stack/files/find.ts"),
    ]);
    setStyleOfStack({
      ansi: ansi ?? "auto",
      progress: progress ?? "auto",
      statusToStdout: isYes(toStdout),
    });
  }

  /** COMPOSE_PARALLEL_LIMIT of the stack's .env; --parallel and the environment override it. */
  async #applyParallelLimit(): Promise<void> {
    const value = await this.setting("COMPOSE_PARALLEL_LIMIT");
    if (this.options.parallel !== undefined || !value || value === "-1") return;
    const limit = Number(value);
    if (Number.isInteger(limit) && limit > 0) this.options.parallel = Math.min(limit, 1000);
    else
      process.stderr.write(
        `warning: COMPOSE_PARALLEL_LIMIT: expected a whole number from 1, or -1, got ${JSON.stringify(value)}\n`,
      );
  }

  /** For `bay container`: names are those of containers, and never of services. */
  hasContainersOnly = false;

  /** Services of the loaded file, including those of disabled profiles; none if no file was needed. */
  knownServices: readonly string[] = [];

  /** Loads the stack; warnings go to standard error, unless `isQuiet`. Throws `StackError`. */
  async stack(enable: string[] = [], isQuiet = false): Promise<Stack> {
    const request = this.loadOptions(enable);
    // the light half of stack/: an unchanged stack needs neither the YAML parser nor the schema
    const [{ stackFiles }, { cacheKey, readCache, writeCache }] = await Promise.all([
      import("../stack/files/find.ts"),
      import("../stack/cache.ts"),
    ]);
    await this.#applyDisplay();
    const key = await this.load(request, (own) => cacheKey(stackFiles(own), own));
    const directory = join(this.roots.run, "stacks");
    const isCached = key !== undefined && !this.options.refresh;
    let cached = isCached ? readCache(directory, key) : undefined;
    if (!cached) {
      const { formatDiagnostics, loadStack } = await import("../stack/index.ts");
      const { stack, warnings, sources, inputs } = await this.load(request, (own) => loadStack(own));
      cached = { stack, warnings: formatDiagnostics(warnings, sources) };
      // a secret's value is never written to the disk
      const isSecret = Object.values(stack.secrets).some((secret) => "value" in secret);
      if (key !== undefined && !isSecret)
        writeCache(directory, key, cached, [...inputs, ...(this.#remoteFiles?.pinFiles ?? [])]);
    }
    for (const warning of isQuiet ? [] : cached.warnings) process.stderr.write(`${warning}\n`);
    this.knownServices = [...Object.keys(cached.stack.services), ...cached.stack.disabled];
    this.#isOnHosts = cached.stack.hosts !== undefined;
    return cached.stack;
  }

  /** Loads the services of the file although -p made it unnecessary, for a message that lists them. */
  async learnServices(): Promise<void> {
    if (this.knownServices.length > 0) return;
    await this.stack().catch(() => undefined); // without a file, only services that have containers are known
  }

  /** The stack's name; with -p, no file is needed. */
  async stackName(): Promise<string> {
    return this.options.projectName && !this.options.file
      ? this.options.projectName
      : (await this.stack()).name;
  }

  /** Whether the stack is one of several hosts; without its file, whether this host knows others. */
  #isOnHosts: boolean | undefined;

  /** Requests about containers of a stack of several hosts go to all hosts. */
  #scoped(client: Client): Client {
    const isOnHosts = this.#isOnHosts ?? (!client.isRemote && existsSync(join(this.roots.run, "peers")));
    client.scope = isOnHosts ? "/bay/v1/cluster/api" : "";
    return client;
  }

  #choice: Promise<Choice> | undefined;

  /** Which bayd the options, variables and contexts select. Throws BAD_OPTION, BAD_CONTEXT. */
  choice(): Promise<Choice> {
    this.#choice ??= selectedHost(this.options);
    return this.#choice;
  }

  #remote: Promise<Client> | undefined;

  /** The client of a bayd that an address or a context selects; undefined for that of this computer's own roots. */
  async #selected(): Promise<Client | undefined> {
    const choice = await this.choice();
    if (choice.kind === "own") return undefined;
    this.#remote ??= import("./remote/remote-client.ts").then(({ remoteClient }) =>
      remoteClient(choice, this.options),
    );
    return this.#remote;
  }

  /** A client of the running daemon. Its first call throws NO_DAEMON if it does not run, or HOST_UNREACHABLE. */
  async client(): Promise<Client> {
    const selected = await this.#selected();
    if (selected) return this.#scoped(selected);
    const { Client } = await import("../daemon/index.ts");
    return this.#scoped(new Client(socketPath(this.roots)));
  }

  /** A client of the daemon, which is started if it is this computer's own and does not run. */
  async daemon(): Promise<Client> {
    const selected = await this.#selected();
    if (selected) return this.#scoped(selected);
    const { ensureDaemon } = await import("../daemon/index.ts");
    return this.#scoped(
      await ensureDaemon(this.roots, this.command, { repair: this.options.repair !== false }),
    );
  }

  /** Throws LOCAL_ONLY if another bayd than that of this computer's own roots is selected: `what` works only there. */
  async requireOwn(what: string): Promise<void> {
    const choice = await this.choice();
    if (choice.kind === "own") return;
    const target = choice.kind === "context" ? `the context ${choice.name}` : choice.address;
    throw new BayError(
      "LOCAL_ONLY",
      `${what} works only on the host of bayd itself, and ${target} is selected by ${choice.from}`,
      {
        hint: "run it on that host, or select this computer with --context default",
      },
    );
  }

  /** The stack as it is sent to bayd: see `sendableStack`. With `build: false`, nothing will be built. Throws `StackError`, LOCAL_ONLY. */
  async stackToSend(enable: string[] = [], { build }: { build?: boolean | undefined } = {}): Promise<Stack> {
    const stack = await this.stack(enable);
    if ((await this.choice()).kind === "own") return stack;
    const client = await this.client();
    if (!client.isRemote) return stack;
    const { sendableStack } = await import("./remote/sendable-stack.ts");
    return sendableStack(stack, client.address, build !== false);
  }
}
