/** The options of `bay image build` as a request to bayd. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { BayError } from "../../../core/errors.ts";
import { variableOf } from "../../../core/variables.ts";
import type { BuildBody } from "../../../daemon/api/bay/build.ts";
import type { ProgressKind } from "../../ui/build-progress.ts";

const ENTITLEMENTS = ["security.insecure", "network.host"];

export interface BuildOptions {
  file?: string;
  tag?: string[];
  target?: string;
  buildArg?: string[];
  buildContext?: string[];
  label?: string[];
  cache?: boolean;
  cacheFrom?: string[];
  cacheTo?: string[];
  noCacheFilter?: string[];
  pull?: boolean;
  platform?: string;
  network?: string;
  addHost?: string[];
  shmSize?: string;
  ulimit?: string[];
  secret?: string[];
  ssh?: string[];
  allow?: string[];
  iidfile?: string;
  metadataFile?: string;
  output?: string[];
  push?: boolean;
  load?: boolean;
  progress: ProgressKind;
  quiet?: boolean;
  check?: boolean;
}

/** Creates the request to bayd. `close` removes its temporary files. Throws BAD_OPTION, NO_DOCKERFILE, NO_SECRET, NO_SSH. */
export async function readRequest(
  path: string,
  options: BuildOptions,
): Promise<{ body: BuildBody; close: () => void }> {
  const { readFileSource } = await import("../../../build/options.ts");
  const isInput = path === "-";
  if (isInput && options.file === "-")
    throw new BayError("BAD_OPTION", "standard input cannot be both the Dockerfile and the context", {
      hint: "give one of them as a file or directory",
    });
  const input = isInput || options.file === "-" ? await allInput() : undefined;
  const archive = isInput && options.file !== "-" ? await keepArchive(input!) : undefined;
  const context: BuildBody["context"] = archive
    ? { kind: "archive", path: archive }
    : isInput
      ? undefined
      : readFileSource(path, process.cwd());
  const folder = context?.kind === "folder" ? context.path : undefined;
  return {
    body: {
      ...(context ? { context } : {}),
      dockerfile: dockerfileOf(folder, archive ? undefined : input?.toString("utf8"), options.file),
      ...(await settingsOf(options)),
    },
    close: () => archive && rmSync(dirname(archive), { recursive: true, force: true }),
  };
}

/** bayd reads a context's archive from a file; undefined if the context is not an archive. */
async function keepArchive(input: Buffer): Promise<string | undefined> {
  const { isArchive } = await import("../../../image/index.ts");
  if (!isArchive(input)) return undefined;
  const file = join(mkdtempSync(join(tmpdir(), "bay-context-")), "context");
  writeFileSync(file, input, { mode: 0o600 });
  return file;
}

function dockerfileOf(
  folder: string | undefined,
  given: string | undefined,
  file: string | undefined,
): BuildBody["dockerfile"] {
  if (given !== undefined) return { source: given, file: "Dockerfile" };
  if (folder === undefined) return { inContext: file ?? "" };
  const path = findDockerfile(folder, file);
  return { source: readFileSync(path, "utf8"), file: file ?? "Dockerfile", path };
}

async function settingsOf(options: BuildOptions): Promise<Omit<BuildBody, "context" | "dockerfile">> {
  const { readCacheSource, readCacheTarget } = await import("../../../build/options.ts");
  return {
    ...(options.target ? { target: options.target } : {}),
    args: buildArgs(options.buildArg),
    contexts: await contextsOf(options.buildContext),
    labels: pairs(options.label, "--label"),
    tags: options.tag ?? [],
    ...(options.platform ? { platform: options.platform } : {}),
    cacheFrom: (options.cacheFrom ?? []).map((text) => readCacheSource(text, process.cwd())),
    cacheTo: (options.cacheTo ?? []).map((text) => readCacheTarget(text, process.cwd())),
    noCache: options.cache === false,
    noCacheFilter: (options.noCacheFilter ?? []).flatMap((names) => names.split(",")),
    pull: options.pull ?? false,
    network: networkOf(options.network),
    extraHosts: (options.addHost ?? []).map(hostOf),
    ...(await sizes(options)),
    secrets: secretsOf(options.secret),
    ssh: sshOf(options.ssh),
    ...grantedBy(options.allow, options.network),
  };
}

/** Throws NO_DOCKERFILE, which names the path. */
function findDockerfile(context: string, file: string | undefined): string {
  const candidates =
    file === undefined
      ? ["Dockerfile", "dockerfile"].map((name) => join(context, name))
      : [resolve(file), resolve(context, file)];
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found) return found;
  throw new BayError("NO_DOCKERFILE", `${context} has no ${file ?? "Dockerfile"}`, {
    hint: "use -f to name another file",
  });
}

/** SOURCE_DATE_EPOCH of a reproducible build comes from the environment, as in other tools. */
export function buildArgs(entries: readonly string[] | undefined): Record<string, string> {
  const { SOURCE_DATE_EPOCH } = process.env;
  return { ...(SOURCE_DATE_EPOCH ? { SOURCE_DATE_EPOCH } : {}), ...pairs(entries, "--build-arg") };
}

/** NAME=VALUE, or NAME to take the value from the environment. */
function pairs(entries: readonly string[] = [], option: string): Record<string, string> {
  return Object.fromEntries(
    entries.flatMap((entry) => {
      const [name = "", value = variableOf(process.env, name)] = entry.split(/=(.*)/s);
      if (name === "") throw new BayError("BAD_OPTION", `${option}: expected NAME=VALUE, got ${entry}`);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

async function contextsOf(entries: readonly string[] = []): Promise<NonNullable<BuildBody["contexts"]>> {
  const { readSource } = await import("../../../build/options.ts");
  const bare = entries.find((entry) => !entry.includes("="));
  if (bare !== undefined)
    throw new BayError("BAD_OPTION", `--build-context: expected NAME=CONTEXT, got ${bare}`);
  return Object.fromEntries(
    Object.entries(pairs(entries, "--build-context")).map(([name, value]) => {
      const source = readSource(value, process.cwd());
      if (source.kind !== "layout") return [name, source];
      const { reference, ...layout } = source;
      return [name, reference === undefined ? layout : { ...layout, reference }];
    }),
  );
}

/** `NAME=ADDRESS` or `NAME:ADDRESS`; an IPv6 address can be in brackets. */
function hostOf(entry: string): string {
  const [, name, address = ""] = /^([^:=]+)[:=]\[?([^[\]]+)\]?$/.exec(entry) ?? [];
  if (name !== undefined && (isIP(address) > 0 || address === "host-gateway")) return `${name}=${address}`;
  throw new BayError("BAD_OPTION", `--add-host: expected NAME=ADDRESS, got ${entry}`);
}

/** BuildKit's entitlements. The host's network for the whole build grants it to the steps too, as in Docker's client. */
function grantedBy(
  entries: readonly string[] = [],
  network?: string,
): { insecure: boolean; hostNetwork: boolean } {
  const unknown = entries.find((entry) => !ENTITLEMENTS.includes(entry));
  if (unknown !== undefined)
    throw new BayError("BAD_OPTION", `--allow: unknown entitlement ${unknown}`, {
      hint: `expected ${ENTITLEMENTS.join(" or ")}`,
    });
  return {
    insecure: entries.includes("security.insecure"),
    hostNetwork: entries.includes("network.host") || network === "host",
  };
}

function networkOf(network = "default"): "bridge" | "host" | "none" {
  if (network === "default" || network === "bridge") return "bridge";
  if (network === "host" || network === "none") return network;
  throw new BayError("BAD_OPTION", `--network: expected default, host or none, got ${network}`);
}

async function sizes({
  shmSize,
  ulimit = [],
}: BuildOptions): Promise<Pick<BuildBody, "shmSize" | "ulimits">> {
  const bytes = shmSize === undefined ? undefined : await bytesOf(shmSize);
  const ulimits = ulimit.map((entry) => {
    const [, name = "", soft, hard = soft] = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(entry) ?? [];
    if (name === "") throw new BayError("BAD_OPTION", `--ulimit: expected NAME=SOFT[:HARD], got ${entry}`);
    return [name, { soft: Number(soft), hard: Number(hard) }] as const;
  });
  return { ...(bytes === undefined ? {} : { shmSize: bytes }), ulimits: Object.fromEntries(ulimits) };
}

async function bytesOf(text: string): Promise<number> {
  const { parseBytes } = await import("../../../stack/query.ts");
  const bytes = parseBytes(text);
  if (bytes !== undefined) return bytes;
  throw new BayError("BAD_OPTION", `--shm-size: invalid size ${text}`, { hint: "for example 128m" });
}

/** `id=NAME,src=FILE` or `id=NAME,env=VARIABLE`. */
function secretsOf(entries: readonly string[] = []): NonNullable<BuildBody["secrets"]> {
  return Object.fromEntries(
    entries.map((entry) => {
      const fields = pairs(entry.split(","), "--secret");
      const file = fields.src ?? fields.source;
      const id = fields.id ?? (file ? file.split("/").at(-1)! : "");
      if (id === "") throw new BayError("BAD_OPTION", `--secret: expected id=NAME,src=FILE, got ${entry}`);
      const variable =
        fields.env ?? (file === undefined && variableOf(process.env, id) !== undefined ? id : undefined);
      if (variable !== undefined) {
        const value = process.env[variable];
        if (value === undefined) throw new BayError("NO_SECRET", `the variable ${variable} is not set`);
        return [id, { value }];
      }
      const path = resolve(file ?? id);
      if (!existsSync(path)) throw new BayError("NO_SECRET", `the secret ${id}: ${path} does not exist`);
      return [id, { file: path }];
    }),
  );
}

/** `default`, or `NAME=SOCKET`. */
export function sshOf(entries: readonly string[] = []): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const [id = "", given] = entry.split(/=(.*)/s);
      const socket = given ?? process.env.SSH_AUTH_SOCK;
      if (!socket)
        throw new BayError("NO_SSH", "no SSH agent is running", { hint: "set SSH_AUTH_SOCK to its socket" });
      return [id, resolve(socket)];
    }),
  );
}

async function allInput(): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
