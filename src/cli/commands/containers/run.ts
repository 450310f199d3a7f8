import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { ContainerConfig } from "../../../container/index.ts";
import { BayError, hasCode, messageOf } from "../../../core/errors.ts";
import { variableOf } from "../../../core/variables.ts";
import type { Client } from "../../../daemon/index.ts";
import type { Stack } from "../../../stack/index.ts";
import type { Context } from "../../context.ts";
import { listContainers, nameOf, serviceOf as serviceOfRow } from "../../named-containers.ts";
import { namedValues, withValues } from "../../options.ts";
import { needsTerminal, terminalSize } from "../../ui/terminal.ts";
import { type ClaimOptions, claimOf, sendUp } from "../stack/send-up.ts";
import { startAttached } from "./start-attached.ts";

export interface RunOptions extends ClaimOptions {
  rm?: boolean;
  detach?: boolean;
  tty?: boolean;
  env?: string[];
  volume?: string[];
  publish?: string[];
  name?: string;
  entrypoint?: string;
  user?: string;
  workdir?: string;
  servicePorts?: boolean;
  deps?: boolean;
  detachKeys?: string;
  TTY?: boolean;
  useAliases?: boolean;
  capAdd?: string[];
  capDrop?: string[];
  envFromFile?: string[];
  label?: string[];
  build?: boolean;
  pull?: "always" | "missing" | "never";
  quiet?: boolean;
  quietBuild?: boolean;
  quietPull?: boolean;
  removeOrphans?: boolean;
}

/** Runs a one-off command in a new container of a service; the exit code is the command's. */
export async function run(
  context: Context,
  [service, ...command]: string[],
  options: RunOptions,
): Promise<number> {
  const stack = await context.stackToSend([service!]);
  const { serviceOf } = await import("../../../stack/query.ts");
  const wanted = serviceOf(stack, service!);
  const labels = namedValues("--label", options.label);
  const fileEnv = await variablesOf(options.envFromFile);
  const images = {
    ...(options.build ? { build: true } : {}),
    ...(options.pull ? { pull: options.pull } : {}),
  };
  const dependencies = Object.keys(wanted.dependsOn).filter((name) => stack.services[name]);
  const needed = options.deps === false ? [] : dependencies;
  const tty = needsTerminal(options);
  const override = await overrides(stack, options, tty, fileEnv);
  const body = {
    stack,
    service,
    name: options.name,
    override,
    ...(command.length > 0 ? { command } : {}),
    ...(options.entrypoint === undefined
      ? {}
      : { entrypoint: options.entrypoint.split(/\s+/).filter(Boolean) }),
    servicePorts: options.servicePorts ?? false,
    useAliases: options.useAliases ?? false,
    labels,
    autoRemove: options.rm ?? false,
    start: options.detach ?? false,
  };
  // if bayd runs and everything that the container needs is ready, one request is enough
  const isPlain = needed.length === 0 && Object.keys(images).length === 0 && !options.removeOrphans;
  const direct = isPlain ? await createIfReady(await context.client(), body) : undefined;
  const client = direct ? await context.client() : await context.daemon();
  if (!direct) {
    if (needed.length > 0)
      await sendUp(client, stack, { options: { services: needed, ...images }, ...claimOf(options) }, options);
    await sendUp(
      client,
      stack,
      { options: { services: [service!], noDeps: true, baseOnly: true, ...images }, ...claimOf(options) },
      options,
    );
    if (options.removeOrphans) await removeOrphans(context, client, stack);
  }
  const { Id, Name } = direct ?? (await client.json<Created>("POST", "/bay/v1/run", body));
  if (options.detach) {
    process.stdout.write(`${Name}\n`);
    return 0;
  }
  try {
    return await startAttached(client, Id, { tty, stdin: true, detachKeys: options.detachKeys });
  } finally {
    if (options.rm) await client.json("DELETE", `/containers/${Id}?force=1&v=1`).catch(() => {});
  }
}

interface Created {
  Id: string;
  Name: string;
}

/** The new container; undefined if bayd does not run, or if an `up` must create something first. */
async function createIfReady(client: Client, body: object): Promise<Created | undefined> {
  try {
    const answer = await client.json<Created | { needsUp: true }>("POST", "/bay/v1/run", {
      ...body,
      ifReady: true,
    });
    return "needsUp" in answer ? undefined : answer;
  } catch (error) {
    if (hasCode(error, "NO_DAEMON")) return undefined;
    throw error;
  }
}

/** The variables of env files; later ones override earlier ones. Throws NO_FILE, BAD_OPTION. */
async function variablesOf(files: readonly string[] = []): Promise<string[]> {
  const all = new Map<string, string>();
  const { parseDotenv } = await import("../../../stack/files/dotenv.ts");
  for (const file of files) {
    if (!existsSync(file)) throw new BayError("NO_FILE", `--env-from-file: ${file} does not exist`);
    const bad = (message: string, cause?: unknown) =>
      new BayError("BAD_OPTION", `--env-from-file: ${file}: ${message}`, { cause });
    try {
      const lookup = (name: string) => all.get(name) ?? variableOf(process.env, name);
      for (const [name, value] of parseDotenv(readFileSync(file, "utf8"), lookup, (message) =>
        process.stderr.write(`warning: ${file}: ${message}\n`),
      ))
        all.set(name, value);
    } catch (cause) {
      throw bad(messageOf(cause), cause);
    }
  }
  return [...all].map(([name, value]) => `${name}=${value}`);
}

async function removeOrphans(context: Context, client: Client, stack: Stack): Promise<void> {
  const rows = await listContainers(client, stack.name);
  const orphans = rows.filter((row) => !context.knownServices.includes(serviceOfRow(row)));
  for (const row of orphans) {
    await client.json("DELETE", `/containers/${row.Id}?force=1`);
    process.stderr.write(`container ${nameOf(row)} removed\n`);
  }
}

/** Parses CAP_NET_ADMIN, net_admin and ALL. Throws BAD_OPTION. */
async function capabilities(option: string, entries: readonly string[] = []): Promise<string[]> {
  const { capabilityName } = await import("../../../core/capabilities.ts");
  for (const entry of entries)
    if (entry.toUpperCase() !== "ALL" && capabilityName(entry) === undefined)
      throw new BayError("BAD_OPTION", `${option}: the capability ${entry} does not exist`);
  return [...entries];
}

async function overrides(
  stack: Stack,
  options: RunOptions,
  tty: boolean,
  fileEnv: readonly string[],
): Promise<Partial<ContainerConfig>> {
  const { parsePort } = await import("../../../stack/query.ts");
  const ports = (options.publish ?? []).flatMap((text) => {
    const parsed = parsePort(text);
    if (typeof parsed === "string") throw new BayError("BAD_OPTION", parsed);
    return parsed;
  });
  const mounts = (options.volume ?? []).map((text): ContainerConfig["mounts"][number] => {
    const [source = "", target, mode] = text.split(":");
    if (!(target ?? source).startsWith("/"))
      throw new BayError("BAD_OPTION", `-v ${text}: the path in the container must be absolute`);
    if (!target) return { type: "volume", source: "", target: source, readOnly: false, noCopy: false };
    const readOnly = mode === "ro";
    if (/^[./~]/.test(source))
      return { type: "bind", source: resolve(source), target, readOnly, recursive: true, createSource: true };
    return { type: "volume", source: stack.volumes[source]?.name ?? source, target, readOnly, noCopy: false };
  });
  return {
    tty,
    ...(tty ? { consoleSize: terminalSize() } : {}),
    stdinOpen: true,
    stdinOnce: !tty,
    env: withoutRepeats([...fileEnv, ...withValues(options.env)]),
    capAdd: await capabilities("--cap-add", options.capAdd),
    capDrop: await capabilities("--cap-drop", options.capDrop),
    mounts,
    ports,
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.workdir === undefined ? {} : { workdir: options.workdir }),
    health: undefined,
  };
}

/** The last of several values of a variable. */
const withoutRepeats = (entries: readonly string[]): string[] => [
  ...new Map(entries.map((entry) => [entry.split("=", 1)[0]!, entry])).values(),
];
