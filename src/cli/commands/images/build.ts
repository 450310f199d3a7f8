/** `bay image build`: an image of one Dockerfile, with docker build's options. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { BuildRequest } from "../../../build/index.ts";
import { BayError } from "../../../core/errors.ts";
import type { BuildBody } from "../../../daemon/api/bay/build.ts";
import type { Client } from "../../../daemon/index.ts";
import type { Service, Stack } from "../../../stack/index.ts";
import type { Context } from "../../context.ts";
import { followBuild, type ProgressKind } from "../../ui/build-progress.ts";
import { print, printJson } from "../../ui/output.ts";

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

export async function build(
  context: Context,
  [path = "."]: string[],
  options: BuildOptions,
): Promise<number> {
  const { body, close } = await readRequest(path, options);
  try {
    return await buildOne(context, body, options);
  } finally {
    close();
  }
}

async function buildOne(context: Context, body: BuildBody, options: BuildOptions): Promise<number> {
  if (options.check) return checkOne(body);
  const by = await import("./build-output.ts");
  const outputs = (options.output ?? []).map(by.readOutput);
  by.checkOutputs(outputs);
  by.checkFile("--iidfile", options.iidfile);
  by.checkFile("--metadata-file", options.metadataFile);
  const named = outputs.flatMap((output) => (output.kind === "image" ? (output.name?.split(",") ?? []) : []));
  const tags = [...new Set([...(options.tag ?? []), ...named])];
  const isKept = by.keepsImage(outputs);
  const client = await context.daemon();
  const kind = options.quiet ? "quiet" : options.progress;
  const built = await followBuild(client, "/bay/v1/build", { ...body, tags: isKept ? tags : [] }, kind);
  const image = built[0]!;
  writeMetadata(image, tags, options);
  await by.deliver(client, image.id, tags, outputs);
  if (!isKept) {
    await forget(client, image.id);
    return 0;
  }
  // standard output may be an archive's
  if (!outputs.some((output) => "file" in output && output.file === undefined))
    print(options.quiet ? image.id : `built ${tags.join(", ") || "an image"} (${image.id.slice(7, 19)})`);
  if (!options.push && !outputs.some((output) => output.kind === "image" && output.push)) return 0;
  if (tags.length === 0)
    throw new BayError("BAD_OPTION", "an image without a name cannot be pushed", { hint: "-t NAME" });
  const { pushImages } = await import("./registry.ts");
  await pushImages(context, tags, {});
  return 0;
}

async function checkOne({ context, dockerfile }: BuildBody): Promise<number> {
  const { readIgnore } = await import("../../../daemon/stacks/build-request.ts");
  if (!("source" in dockerfile)) return check([{ dockerfile: { path: dockerfile.inContext }, ignore: [] }]);
  const ignore = context?.kind === "folder" ? readIgnore(context.path, dockerfile.path) : [];
  return check([{ dockerfile, ignore }]);
}

function writeMetadata(
  { id, digest }: { id: string; digest: string },
  tags: readonly string[],
  { iidfile, metadataFile }: BuildOptions,
): void {
  if (iidfile) writeFileSync(iidfile, id);
  const metadata = {
    "containerimage.config.digest": id,
    "containerimage.digest": digest,
    "image.name": tags.join(","),
  };
  if (metadataFile) writeFileSync(metadataFile, `${JSON.stringify(metadata, null, 2)}\n`);
}

/** An image that nobody asked for goes, unless another build gave it a name. */
async function forget(client: Client, id: string): Promise<void> {
  const { RepoTags } = await client.json<{ RepoTags: string[] }>("GET", `/images/${id}/json`);
  if (RepoTags.length === 0) await client.json("DELETE", `/images/${id}`);
}

/** Says what is wrong with Dockerfiles, without building; 1 where there is something. Throws BAD_DOCKERFILE. */
async function check(requests: readonly Pick<BuildRequest, "dockerfile" | "ignore">[]): Promise<number> {
  const { loadChecker } = await import("../../../build/index.ts");
  const { checkDockerfile } = await loadChecker();
  const errors: string[] = [];
  const warnings = requests.flatMap(({ dockerfile, ignore }) => {
    if (!("source" in dockerfile))
      throw new BayError(
        "UNSUPPORTED",
        "--check reads a Dockerfile of this host, and not of a remote context",
      );
    try {
      return checkDockerfile(dockerfile, ignore ?? []).warnings;
    } catch (error) {
      if (!(error instanceof BayError)) throw error;
      errors.push(error.message);
      return [];
    }
  });
  if (errors.length > 0) throw new BayError("BAD_DOCKERFILE", [...errors, ...warnings].join("\n\n"));
  print(warnings.length > 0 ? warnings.join("\n\n") : "nothing to complain of");
  return warnings.length > 0 ? 1 : 0;
}

interface StackBuildOptions {
  buildArg?: string[];
  cache?: boolean;
  pull?: boolean;
  push?: boolean;
  check?: boolean;
  print?: boolean;
  withDependencies?: boolean;
  progress: ProgressKind;
  quiet?: boolean;
  ssh?: string[];
  provenance?: string | true;
  sbom?: string | true;
}

/** Images have no attestations, which is what `false` asks for. Throws UNSUPPORTED_OPTION. */
function checkAttestations({ provenance, sbom }: StackBuildOptions): void {
  for (const [option, value] of [
    ["--provenance", provenance],
    ["--sbom", sbom],
  ] as const)
    if (value !== undefined && !["false", "disabled=true"].includes(String(value)))
      throw new BayError("UNSUPPORTED_OPTION", `${option} is not supported: images get no attestations`, {
        hint: `leave it out, or write ${option}=false`,
      });
}

/** `bay build [SERVICE…]`: the images of the stack's services that have a build. */
export async function buildServices(
  context: Context,
  services: string[],
  options: StackBuildOptions,
): Promise<number> {
  checkAttestations(options);
  const stack = await context.stack(services);
  const chosen = await chooseBuilds(stack, services, options.withDependencies ?? false);
  const { toBuildRequest } = await import("../../../daemon/stacks/build-request.ts");
  const args = buildArgs(options.buildArg);
  const requests = chosen.map((service) => toBuildRequest(service, stack, { args }));
  if (options.print) {
    printJson(requests.map(withoutSecrets));
    return 0;
  }
  if (options.check) return check(requests);
  if (chosen.length === 0) print("no service of the stack has a build");
  if (context.options.dryRun) {
    for (const { name, image } of chosen) print(`image ${image} of the service ${name} would be built`);
    return 0;
  }
  const client = await context.daemon();
  const changes = {
    args,
    ...(options.cache === false ? { noCache: true } : {}),
    ...(options.pull ? { pull: true } : {}),
    ...(options.ssh ? { ssh: sshOf(options.ssh) } : {}),
  };
  const kind = options.quiet ? "quiet" : options.progress;
  const names = chosen.map(({ name }) => name);
  if (names.length > 0)
    for (const { id, service } of await followBuild(
      client,
      "/bay/v1/stack/build",
      { stack, services: names, changes },
      kind,
    ))
      print(options.quiet ? id : `built ${stack.services[service!]!.image} (${id.slice(7, 19)})`);
  if (!options.push) return 0;
  const { pushImages } = await import("./registry.ts");
  await pushImages(
    context,
    chosen.map(({ image }) => image),
    {},
  );
  return 0;
}

/** What is printed holds no secret. */
function withoutSecrets({ secrets, ...rest }: BuildRequest): object {
  const shown = Object.entries(secrets).map(([id, secret]) => [id, "file" in secret ? secret : "(hidden)"]);
  return { ...rest, secrets: Object.fromEntries(shown) };
}

/** Services with a build that are named, or all, after those that they are built on. Throws UNKNOWN_SERVICE. */
async function chooseBuilds(
  stack: Stack,
  names: readonly string[],
  withDependencies: boolean,
): Promise<Service[]> {
  const { buildsNeeding, chooseServices } = await import("../../../stack/query.ts");
  return chooseServices(stack, names, ({ name, dependsOn }) => [
    ...buildsNeeding(stack, name),
    ...(withDependencies ? Object.keys(dependsOn) : []),
  ]).filter(({ build }) => build !== undefined);
}

/** What is asked of bayd; `close` takes away what was kept for it. */
async function readRequest(
  path: string,
  options: BuildOptions,
): Promise<{ body: BuildBody; close: () => void }> {
  const { readFileSource } = await import("../../../build/options.ts");
  const isInput = path === "-";
  if (isInput && options.file === "-")
    throw new BayError("BAD_OPTION", "standard input is the Dockerfile or the context, and not both", {
      hint: "name one of them as a file or folder",
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

/** bayd reads a context's archive from a file; undefined where it is none. */
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

/** Throws NO_DOCKERFILE, naming what was looked for. */
function findDockerfile(context: string, file: string | undefined): string {
  const candidates =
    file === undefined
      ? ["Dockerfile", "dockerfile"].map((name) => join(context, name))
      : [resolve(file), resolve(context, file)];
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found) return found;
  throw new BayError("NO_DOCKERFILE", `there is no ${file ?? "Dockerfile"} in ${context}`, {
    hint: "-f names another",
  });
}

/** The moment of a reproducible build is in the environment, as other tools have it there. */
function buildArgs(entries: readonly string[] | undefined): Record<string, string> {
  const { SOURCE_DATE_EPOCH } = process.env;
  return { ...(SOURCE_DATE_EPOCH ? { SOURCE_DATE_EPOCH } : {}), ...pairs(entries, "--build-arg") };
}

/** NAME=VALUE, or NAME for the variable of the environment. */
function pairs(entries: readonly string[] = [], option: string): Record<string, string> {
  return Object.fromEntries(
    entries.flatMap((entry) => {
      const [name = "", value = process.env[name]] = entry.split(/=(.*)/s);
      if (name === "") throw new BayError("BAD_OPTION", `${option} wants NAME=VALUE, got ${entry}`);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

async function contextsOf(entries: readonly string[] = []): Promise<NonNullable<BuildBody["contexts"]>> {
  const { readSource } = await import("../../../build/options.ts");
  const bare = entries.find((entry) => !entry.includes("="));
  if (bare !== undefined) throw new BayError("BAD_OPTION", `--build-context wants NAME=CONTEXT, got ${bare}`);
  return Object.fromEntries(
    Object.entries(pairs(entries, "--build-context")).map(([name, value]) => {
      const source = readSource(value, process.cwd());
      if (source.kind !== "layout") return [name, source];
      const { reference, ...layout } = source;
      return [name, reference === undefined ? layout : { ...layout, reference }];
    }),
  );
}

/** `NAME=ADDRESS` or `NAME:ADDRESS`; an IPv6 address may stand in brackets. */
function hostOf(entry: string): string {
  const [, name, address = ""] = /^([^:=]+)[:=]\[?([^[\]]+)\]?$/.exec(entry) ?? [];
  if (name !== undefined && (isIP(address) > 0 || address === "host-gateway")) return `${name}=${address}`;
  throw new BayError("BAD_OPTION", `--add-host wants NAME=ADDRESS, got ${entry}`);
}

/** BuildKit's entitlements. Who gives the whole build the host's network grants it to its steps too, as Docker's client does. */
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
  throw new BayError("BAD_OPTION", `--network is default, host or none, not ${network}`);
}

async function sizes({
  shmSize,
  ulimit = [],
}: BuildOptions): Promise<Pick<BuildBody, "shmSize" | "ulimits">> {
  const bytes = shmSize === undefined ? undefined : await bytesOf(shmSize);
  const ulimits = ulimit.map((entry) => {
    const [, name = "", soft, hard = soft] = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(entry) ?? [];
    if (name === "") throw new BayError("BAD_OPTION", `--ulimit wants NAME=SOFT[:HARD], got ${entry}`);
    return [name, { soft: Number(soft), hard: Number(hard) }] as const;
  });
  return { ...(bytes === undefined ? {} : { shmSize: bytes }), ulimits: Object.fromEntries(ulimits) };
}

async function bytesOf(text: string): Promise<number> {
  const { parseBytes } = await import("../../../stack/query.ts");
  const bytes = parseBytes(text);
  if (bytes !== undefined) return bytes;
  throw new BayError("BAD_OPTION", `--shm-size: ${text} is no size`, { hint: "for example 128m" });
}

/** `id=NAME,src=FILE` or `id=NAME,env=VARIABLE`. */
function secretsOf(entries: readonly string[] = []): NonNullable<BuildBody["secrets"]> {
  return Object.fromEntries(
    entries.map((entry) => {
      const fields = pairs(entry.split(","), "--secret");
      const file = fields.src ?? fields.source;
      const id = fields.id ?? (file ? file.split("/").at(-1)! : "");
      if (id === "") throw new BayError("BAD_OPTION", `--secret wants id=NAME,src=FILE, got ${entry}`);
      const variable = fields.env ?? (file === undefined && process.env[id] !== undefined ? id : undefined);
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
function sshOf(entries: readonly string[] = []): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const [id = "", given] = entry.split(/=(.*)/s);
      const socket = given ?? process.env.SSH_AUTH_SOCK;
      if (!socket)
        throw new BayError("NO_SSH", "no SSH agent runs", { hint: "SSH_AUTH_SOCK names its socket" });
      return [id, resolve(socket)];
    }),
  );
}

async function allInput(): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
