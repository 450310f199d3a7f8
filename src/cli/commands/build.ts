/** `bay image build`: an image of one Dockerfile, with docker build's options. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { BuildBody } from "../../daemon/bay/build.ts";
import { BayError } from "../../errors.ts";
import type { Service, Stack } from "../../stack/index.ts";
import type { Context } from "../context.ts";
import { followBuild, type ProgressKind } from "../ui/build-progress.ts";
import { print, printJson } from "../ui/output.ts";

export interface BuildOptions {
  file?: string;
  tag?: string[];
  target?: string;
  buildArg?: string[];
  buildContext?: string[];
  label?: string[];
  cache?: boolean;
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
  progress: ProgressKind;
  quiet?: boolean;
  check?: boolean;
}

export async function build(context: Context, [path = "."]: string[], options: BuildOptions): Promise<void> {
  const body = await readRequest(path, options);
  if (options.check) {
    const { loadBuilder } = await import("../../build/index.ts");
    const { warnings } = (await loadBuilder()).checkDockerfile(body.dockerfile);
    print(warnings.length > 0 ? warnings.join("\n\n") : "nothing to complain of");
    return;
  }
  const client = await context.daemon();
  const image = await followBuild(client, "/bay/v1/build", body, options.quiet ? "quiet" : options.progress);
  if (options.iidfile) writeFileSync(options.iidfile, image.id);
  if (options.metadataFile)
    writeFileSync(
      options.metadataFile,
      `${JSON.stringify({ "containerimage.config.digest": image.id, "containerimage.digest": image.digest, "image.name": (options.tag ?? []).join(",") }, null, 2)}\n`,
    );
  if (options.quiet) print(image.id);
  else print(`built ${options.tag?.join(", ") ?? "an image"} (${image.id.slice(7, 19)})`);
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
}

/** `bay build [SERVICE…]`: the images of the stack's services that have a build. */
export async function buildServices(
  context: Context,
  services: string[],
  options: StackBuildOptions,
): Promise<void> {
  const stack = await context.stack(services);
  const chosen = chooseServices(stack, services, options.withDependencies ?? false);
  const { toBuildRequest } = await import("../../daemon/stack-build.ts");
  const args = buildArgs(options.buildArg);
  const requests = chosen.map((service) => toBuildRequest(service, { args }));
  if (options.print) return printJson(requests);
  if (options.check) {
    const { loadBuilder } = await import("../../build/index.ts");
    const { checkDockerfile } = await loadBuilder();
    const warnings = requests.flatMap(({ dockerfile }) => checkDockerfile(dockerfile).warnings);
    return print(warnings.length > 0 ? warnings.join("\n\n") : "nothing to complain of");
  }
  if (chosen.length === 0) return print("no service of the stack has a build");
  const client = await context.daemon();
  const changes = {
    args,
    ...(options.cache === false ? { noCache: true } : {}),
    ...(options.pull ? { pull: true } : {}),
  };
  const kind = options.quiet ? "quiet" : options.progress;
  for (const { name, image } of chosen) {
    const { id } = await followBuild(client, "/bay/v1/stack/build", { stack, service: name, changes }, kind);
    print(options.quiet ? id : `built ${image} (${id.slice(7, 19)})`);
  }
  if (!options.push) return;
  const { pushImages } = await import("./registry.ts");
  await pushImages(
    context,
    chosen.map(({ image }) => image),
    {},
  );
}

/** Those that are named, or all; with what they depend on where that is asked for. Throws UNKNOWN_SERVICE, NO_BUILD. */
function chooseServices(stack: Stack, names: readonly string[], withDependencies: boolean): Service[] {
  const chosen = new Map<string, Service>();
  const choose = (name: string) => {
    const service = stack.services[name];
    if (!service)
      throw new BayError("UNKNOWN_SERVICE", `the stack ${stack.name} has no service ${name}`, {
        hint: `it has: ${Object.keys(stack.services).join(", ")}`,
      });
    if (chosen.has(name)) return;
    chosen.set(name, service);
    if (withDependencies)
      for (const other of Object.keys(service.dependsOn)) if (stack.services[other]) choose(other);
  };
  for (const name of names.length > 0 ? names : Object.keys(stack.services)) choose(name);
  return [...chosen.values()].filter(({ build }) => build !== undefined);
}

async function readRequest(path: string, options: BuildOptions): Promise<BuildBody> {
  if (/^(https?:|git@|git:|ssh:)/.test(path) || path.endsWith(".git"))
    throw new BayError("UNSUPPORTED", `a build of ${path} is not supported yet`, { hint: "clone it first" });
  const isInput = path === "-";
  const context = isInput ? undefined : resolve(path);
  if (context !== undefined && !statSync(context, { throwIfNoEntry: false })?.isDirectory())
    throw new BayError("NO_CONTEXT", `the build's folder ${path} does not exist`);
  const source = isInput || options.file === "-" ? await allInput() : undefined;
  const dockerfile = source === undefined ? findDockerfile(context!, options.file) : undefined;
  return {
    ...(context === undefined ? {} : { context }),
    dockerfile:
      dockerfile === undefined
        ? { source: source!, file: "Dockerfile" }
        : { source: readFileSync(dockerfile, "utf8"), file: options.file ?? "Dockerfile", path: dockerfile },
    ...(options.target ? { target: options.target } : {}),
    args: buildArgs(options.buildArg),
    contexts: contextsOf(options.buildContext),
    labels: pairs(options.label, "--label"),
    tags: options.tag ?? [],
    ...(options.platform ? { platform: options.platform } : {}),
    noCache: options.cache === false,
    noCacheFilter: (options.noCacheFilter ?? []).flatMap((names) => names.split(",")),
    pull: options.pull ?? false,
    network: networkOf(options.network),
    extraHosts: (options.addHost ?? []).map((entry) => entry.replace(/^([^:=]+)[:=]/, "$1=")),
    ...(await sizes(options)),
    secrets: secretsOf(options.secret),
    ssh: sshOf(options.ssh),
    insecure: (options.allow ?? []).some((entry) => entry === "security.insecure"),
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

function contextsOf(entries: readonly string[] = []): NonNullable<BuildBody["contexts"]> {
  return Object.fromEntries(
    Object.entries(pairs(entries, "--build-context")).map(([name, value]) => {
      const image = /^(?:docker-image|oci-layout):\/\/(.+)$/.exec(value)?.[1];
      if (value.startsWith("oci-layout://") || /^(https?|git@)/.test(value))
        throw new BayError("UNSUPPORTED", `--build-context ${name}: ${value} is not supported yet`);
      return [
        name,
        image === undefined ? { kind: "folder", path: resolve(value) } : { kind: "image", reference: image },
      ];
    }),
  );
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
  const { parseBytes } = await import("../../stack/index.ts");
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

async function allInput(): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts).toString("utf8");
}
