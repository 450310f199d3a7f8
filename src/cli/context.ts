/** What commands share: the roots, the stack as the options say it, and the daemon. */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Client } from "../daemon/index.ts";
import { BayError } from "../errors.ts";
import { type Roots, resolveRoots, socketPath } from "../roots.ts";
import type { LoadOptions, Stack } from "../stack/index.ts";

export interface GlobalOptions {
  file?: string[];
  projectName?: string;
  projectDirectory?: string;
  envFile?: string[];
  profile?: string[];
  root?: string;
  run?: string;
  repair?: boolean;
}

/**
 * bayd works in bursts and is idle otherwise. V8 by default lets a burst's garbage pile up and keeps the room:
 * 140 MB with 50 containers instead of 110, for no speed. Its collector's helper threads cost a tenth of the host's
 * time while many containers start, which the containers need themselves.
 */
const SMALL_HEAP = ["--max-semi-space-size=8", "--heap-growing-percent=25", "--single-threaded-gc"];

export class Context {
  readonly roots: Roots;

  constructor(readonly options: GlobalOptions) {
    this.roots = resolveRoots({ root: options.root, run: options.run });
  }

  /** The command by which bay starts bayd, up to its arguments. */
  get command(): string[] {
    return [process.execPath, ...SMALL_HEAP, fileURLToPath(new URL("./bay.js", import.meta.url))];
  }

  /** What the options say of the stack's files. */
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

  #settings: ((name: string) => string | undefined) | undefined;

  /** A variable that says how commands work, such as COMPOSE_REMOVE_ORPHANS: of the environment, or of the stack's env files. */
  async setting(name: string): Promise<string | undefined> {
    if (!this.#settings) {
      const { composeSettings, stackFiles } = await import("../stack/find.ts");
      const request = this.loadOptions();
      const [first = "-"] = request.projectDirectory === undefined ? stackFiles(request) : [];
      this.#settings = composeSettings(request, request.projectDirectory ?? dirname(first));
    }
    return this.#settings(name);
  }

  /** `--remove-orphans`, or COMPOSE_REMOVE_ORPHANS. Throws BAD_OPTION where COMPOSE_IGNORE_ORPHANS says to leave them. */
  async orphans(given: boolean | undefined): Promise<{ removeOrphans: boolean; ignoreOrphans?: true }> {
    const { isYes } = await import("../stack/find.ts");
    const removeOrphans = given ?? isYes(await this.setting("COMPOSE_REMOVE_ORPHANS"));
    if (!isYes(await this.setting("COMPOSE_IGNORE_ORPHANS"))) return { removeOrphans };
    if (removeOrphans)
      throw new BayError(
        "BAD_OPTION",
        "COMPOSE_IGNORE_ORPHANS cannot be used together with --remove-orphans",
      );
    return { removeOrphans, ignoreOrphans: true };
  }

  /** COMPOSE_ANSI, COMPOSE_PROGRESS and COMPOSE_STATUS_STDOUT. A value that they do not have is told. */
  async #applyDisplay(): Promise<void> {
    const oneOf = async <T extends string>(name: string, values: readonly T[]): Promise<T | undefined> => {
      const value = await this.setting(name);
      if (!value || values.includes(value as T)) return value ? (value as T) : undefined;
      process.stderr.write(`warning: ${name}: expected ${values.join(", ")}, got ${JSON.stringify(value)}\n`);
      return undefined;
    };
    const ansi = await oneOf("COMPOSE_ANSI", ["never", "always", "auto"]);
    const progress = await oneOf("COMPOSE_PROGRESS", ["auto", "tty", "plain", "quiet"]);
    const toStdout = await this.setting("COMPOSE_STATUS_STDOUT");
    if (ansi) (await import("./ui/output.ts")).setAnsi(ansi);
    if (progress === undefined && !toStdout) return;
    const [{ setProgress }, { isYes }] = await Promise.all([
      import("./ui/progress.ts"),
      import("../stack/find.ts"),
    ]);
    setProgress(progress ?? "auto", isYes(toStdout));
  }

  /** Services of the file that was read, those of disabled profiles too; none where no file was needed. */
  knownServices: readonly string[] = [];

  /** Loads the stack; warnings go to standard error. Throws `StackError`. */
  async stack(enable: string[] = []): Promise<Stack> {
    const request = this.loadOptions(enable);
    // the light half of stack/: an unchanged stack needs neither the YAML parser nor the schema
    const [{ stackFiles }, { cacheKey, readCache, writeCache }] = await Promise.all([
      import("../stack/find.ts"),
      import("../stack/cache.ts"),
    ]);
    await this.#applyDisplay();
    const key = cacheKey(stackFiles(request), request);
    const directory = join(this.roots.run, "stacks");
    let cached = key === undefined ? undefined : readCache(directory, key);
    if (!cached) {
      const { formatDiagnostic, loadStack } = await import("../stack/index.ts");
      const { stack, warnings, sources, inputs } = loadStack(request);
      cached = { stack, warnings: warnings.map((warning) => formatDiagnostic(warning, sources)) };
      // a secret's value is written nowhere
      const isSecret = Object.values(stack.secrets).some((secret) => "value" in secret);
      if (key !== undefined && !isSecret) writeCache(directory, key, cached, inputs);
    }
    for (const warning of cached.warnings) process.stderr.write(`${warning}\n`);
    this.knownServices = [...Object.keys(cached.stack.services), ...cached.stack.disabled];
    return cached.stack;
  }

  /** The stack's name; where -p gives it, no file is needed. */
  async stackName(): Promise<string> {
    return this.options.projectName && !this.options.file
      ? this.options.projectName
      : (await this.stack()).name;
  }

  /** A client of the daemon that runs. Its first call throws NO_DAEMON where none does. */
  async client(): Promise<Client> {
    const { Client } = await import("../daemon/index.ts");
    return new Client(socketPath(this.roots));
  }

  /** A client of the daemon, which is started where none runs. */
  async daemon(): Promise<Client> {
    const { ensureDaemon } = await import("../daemon/index.ts");
    return ensureDaemon(this.roots, this.command, { repair: this.options.repair !== false });
  }
}

/** A container in the list's shape of the Docker Engine API. */
export interface ContainerRow {
  Id: string;
  Names: string[];
  Image: string;
  ImageID: string;
  Command: string;
  Created: number;
  State: string;
  Status: string;
  Labels: Record<string, string>;
  /** The last two are more than the list of the Engine API has. */
  HostConfig: { NetworkMode: string; PidMode?: string; IpcMode?: string };
  Ports: { IP?: string; PrivatePort: number; PublicPort?: number; Type: string }[];
}

export const nameOf = (row: ContainerRow) => row.Names[0]!.slice(1);
export const serviceOf = (row: ContainerRow) => row.Labels["com.docker.compose.service"] ?? "";
export const numberOf = (row: ContainerRow) => Number(row.Labels["com.docker.compose.container-number"] ?? 0);
/** Another container has its name: one takes the other's place. */
const isAside = (row: ContainerRow) => /^[0-9a-f]{12}_/.test(nameOf(row));
const isOneOff = (row: ContainerRow) => row.Labels["com.docker.compose.oneoff"] === "True";

/** The stack's containers, ordered by service and number. Throws UNKNOWN_SERVICE for a name that has none. */
export async function stackContainers(
  client: Client,
  stack: string,
  options: { services?: string[]; all?: boolean; oneOff?: boolean; known?: readonly string[] } = {},
): Promise<ContainerRow[]> {
  return chooseContainers(await listContainers(client, stack, options.all), stack, options);
}

/** All of a stack's containers, in no order. */
export function listContainers(client: Client, stack: string, all = true): Promise<ContainerRow[]> {
  const filters = encodeURIComponent(JSON.stringify({ label: [`com.docker.compose.project=${stack}`] }));
  return client.json<ContainerRow[]>("GET", `/containers/json?all=${all ? 1 : 0}&filters=${filters}`);
}

/** Those of some services, ordered; `known` are the services of the stack file. Throws UNKNOWN_SERVICE. */
export function chooseContainers(
  rows: readonly ContainerRow[],
  stack: string,
  options: { services?: string[]; oneOff?: boolean; known?: readonly string[] },
): ContainerRow[] {
  const counted = rows.filter((row) => options.oneOff || !isOneOff(row));
  const wanted = options.services ?? [];
  // a service of the file that has no container is no mistake: nothing is done with it
  const { known = [] } = options;
  for (const service of wanted.filter((name) => !known.includes(name))) {
    if (!counted.some((row) => serviceOf(row) === service || nameOf(row) === service)) {
      throw known.length > 0
        ? new BayError("UNKNOWN_SERVICE", `the stack ${stack} has no service ${service}`, {
            hint: `it has: ${known.join(", ")}`,
          })
        : new BayError("UNKNOWN_SERVICE", `the stack ${stack} has no container of ${service}`, {
            hint: "bay ps -a shows what it has",
          });
    }
  }
  return counted
    .filter((row) => wanted.length === 0 || wanted.includes(serviceOf(row)) || wanted.includes(nameOf(row)))
    .sort((a, b) =>
      serviceOf(a) === serviceOf(b)
        ? numberOf(a) - numberOf(b) || Number(isAside(a)) - Number(isAside(b))
        : serviceOf(a) < serviceOf(b)
          ? -1
          : 1,
    );
}

/** One running container of a service, by --index. Throws NOT_RUNNING. */
export async function oneContainer(
  context: Context,
  service: string,
  index?: number,
): Promise<{ client: Client; row: ContainerRow }> {
  const client = await context.client();
  const rows = await stackContainers(client, await context.stackName(), { services: [service] });
  const row = rows.find((candidate) => index === undefined || numberOf(candidate) === index);
  if (!row) throw new BayError("NOT_RUNNING", `the service ${service} has no container number ${index}`);
  return { client, row };
}
