/** Commands that apply one action to each container of a stack. */
import { BayError, hasCode, messageOf } from "../../../core/errors.ts";
import { signalNumber } from "../../../core/signals.ts";
import type { StackOwner } from "../../../daemon/index.ts";
import type { Context } from "../../context.ts";
import {
  type ContainerRow,
  containersOf,
  nameOf,
  serviceOf,
  stackContainers,
} from "../../named-containers.ts";
import { print } from "../../ui/output.ts";

type Client = Awaited<ReturnType<Context["client"]>>;

/** Returns the name of the stack, as `containersOf`. */
async function each(
  context: Context,
  services: string[],
  select: (row: ContainerRow) => boolean,
  done: string,
  deed: (client: Client, row: ContainerRow) => Promise<unknown>,
): Promise<string | undefined> {
  const { client, rows, stack } = await containersOf(context, services);
  const all = (some: ContainerRow[]) =>
    Promise.allSettled(
      some.map(async (row) => {
        if (context.options.dryRun)
          return void process.stderr.write(`container ${nameOf(row)} would be ${done}\n`);
        await deed(client, row);
        process.stderr.write(`container ${nameOf(row)} ${done}\n`);
      }),
    );
  // a container that shares a namespace comes after its owner, because it joins the owner's current run
  const isRider = ({ HostConfig: { NetworkMode, PidMode, IpcMode } }: ContainerRow) =>
    [NetworkMode, PidMode, IpcMode].some((mode) => mode?.startsWith("container:"));
  const chosen = rows.filter(select);
  const owners = await all(chosen.filter((row) => !isRider(row)));
  const results = [...owners, ...(await all(chosen.filter(isRider)))];
  const failed = results.flatMap((result) => (result.status === "rejected" ? [textOf(result.reason)] : []));
  if (failed.length > 0) throw new BayError("SOME_FAILED", [...new Set(failed)].join("\n"));
  return stack;
}

/** Tells that a stack follows a repository, which restores what a command has changed in its containers. */
async function noteOwner(context: Context, stack: string | undefined): Promise<void> {
  if (stack === undefined || context.options.dryRun) return;
  const client = await context.client();
  const path = `/bay/v1/stacks/${encodeURIComponent(stack)}/owner`;
  const { owner } = await client.json<{ owner: StackOwner | null }>("GET", path).catch((error: unknown) => {
    // a bayd of an earlier version does not have the route; what was asked for is done, whatever the answer is
    if (!hasCode(error, "NO_ROUTE"))
      process.stderr.write(`warning: the gitops source of ${stack} is not known: ${messageOf(error)}\n`);
    return { owner: null };
  });
  if (owner)
    process.stderr.write(
      `warning: the stack ${stack} is managed by the gitops source ${owner.source}, ${owner.isRepaired ? "which restores it" : "which reports this as drift"}; bay gitops suspend ${owner.source} prevents that\n`,
    );
}

const textOf = (reason: unknown): string =>
  reason instanceof BayError && reason.hint ? `${messageOf(reason)}\n  ${reason.hint}` : messageOf(reason);

const isUp = (row: ContainerRow) => ["running", "paused", "restarting"].includes(row.State);
const grace = (seconds: number | undefined) => (seconds === undefined ? "" : `?t=${seconds}`);

const stopAll = (context: Context, services: string[], options: { timeout?: number }) =>
  each(context, services, isUp, "stopped", (client, row) =>
    client.json("POST", `/containers/${row.Id}/stop${grace(options.timeout)}`),
  );

export const stop = async (context: Context, services: string[], options: { timeout?: number }) =>
  noteOwner(context, await stopAll(context, services, options));

export async function start(
  context: Context,
  services: string[],
  options: { wait?: boolean; waitTimeout?: number } = {},
): Promise<void> {
  await startAll(context, services);
  if (!options.wait || context.options.dryRun) return;
  const { client, rows } = await containersOf(context, services);
  const { untilReady } = await import("../../until-ready.ts");
  await untilReady(client, rows, options.waitTimeout);
}

const startAll = (context: Context, services: string[]) =>
  each(
    context,
    services,
    (row) => !isUp(row),
    "started",
    (client, row) => client.json("POST", `/containers/${row.Id}/start`),
  );

/** Restarts containers, and then those that depend on them with `restart: true` or share their network. */
export async function restart(
  context: Context,
  services: string[],
  options: { timeout?: number; deps?: boolean },
): Promise<void> {
  const some = (names: string[]) =>
    each(
      context,
      names,
      () => true,
      "restarted",
      (client, row) => client.json("POST", `/containers/${row.Id}/restart${grace(options.timeout)}`),
    );
  const name = await some(services);
  if (name === undefined || options.deps === false) return;
  if (services.length === 0 || (context.options.projectName && !context.options.file)) return;
  const stack = await context.stack();
  const rows = await stackContainers(await context.client(), stack.name);
  const present = new Set(rows.filter(isUp).map(serviceOf));
  const { shareWith } = await import("../../../stack/query.ts");
  const following = Object.values(stack.services).filter(
    (service) =>
      present.has(service.name) &&
      !services.includes(service.name) &&
      services.some((other) => service.dependsOn[other]?.restart || shareWith(service, other)),
  );
  if (following.length > 0) await some(following.map(({ name }) => name));
}

export async function kill(
  context: Context,
  services: string[],
  options: { signal: string; removeOrphans?: boolean },
): Promise<void> {
  if (signalNumber(options.signal) === undefined)
    throw new BayError("BAD_OPTION", `invalid signal ${options.signal}`, {
      hint: "write a name such as SIGTERM, or a number",
    });
  await each(
    context,
    services,
    (row) => row.State === "running" || row.State === "paused",
    `sent ${options.signal}`,
    (client, row) =>
      client.json("POST", `/containers/${row.Id}/kill?signal=${encodeURIComponent(options.signal)}`),
  );
  if (!options.removeOrphans) return;
  await context.stack();
  const known = context.knownServices;
  await each(
    context,
    [],
    (row) => !known.includes(serviceOf(row)),
    "removed",
    (client, row) => client.json("DELETE", `/containers/${row.Id}?force=1`),
  );
}

export const pause = async (context: Context, services: string[]) =>
  noteOwner(
    context,
    await each(
      context,
      services,
      (row) => row.State === "running",
      "paused",
      (client, row) => client.json("POST", `/containers/${row.Id}/pause`),
    ),
  );

export const unpause = (context: Context, services: string[]) =>
  each(
    context,
    services,
    (row) => row.State === "paused",
    "unpaused",
    (client, row) => client.json("POST", `/containers/${row.Id}/unpause`),
  );

export async function rm(
  context: Context,
  services: string[],
  options: { force?: boolean; stop?: boolean; volumes?: boolean },
): Promise<void> {
  if (options.stop) await stopAll(context, services, {});
  if (!options.force && !context.options.dryRun) {
    const { confirm } = await import("../../ui/confirm.ts");
    if (!(await confirm("remove the stopped containers?"))) return;
  }
  const name = await each(
    context,
    services,
    (row) => !isUp(row) || options.stop === true,
    "removed",
    // another program may have started a container again since it was stopped
    (client, row) =>
      client.json(
        "DELETE",
        `/containers/${row.Id}?v=${options.volumes ? 1 : 0}${options.stop ? "&force=1" : ""}`,
      ),
  );
  await noteOwner(context, name);
}

/** Waits for all; the exit code is that of the first service's container. */
export async function wait(
  context: Context,
  services: string[],
  options: { downProject?: boolean } = {},
): Promise<number> {
  const { client, rows } = await containersOf(context, services);
  const ends = rows.map(
    async (row) =>
      (await client.json<{ StatusCode: number }>("POST", `/containers/${row.Id}/wait`)).StatusCode,
  );
  if (options.downProject && rows.length > 0) {
    const first = await Promise.race(ends.map(async (end, at) => ({ code: await end, row: rows[at]! })));
    for (const end of ends) end.catch(() => {}); // their containers are being removed
    print(`container ${nameOf(first.row)} ended with code ${first.code}`);
    const { down } = await import("../stack/down.ts");
    await down(context, [], {});
    return first.code;
  }
  const codes = await Promise.all(ends);
  rows.forEach((row, index) => {
    print(`container ${nameOf(row)} ended with code ${codes[index]}`);
  });
  return codes[0] ?? 0;
}
