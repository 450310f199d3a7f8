/** Commands that do one thing to each container of a stack. */
import { BayError, messageOf } from "../../errors.ts";
import { signalNumber } from "../../signals.ts";
import { type ContainerRow, type Context, nameOf, serviceOf, stackContainers } from "../context.ts";
import { print } from "../ui/output.ts";

type Client = Awaited<ReturnType<Context["client"]>>;

async function each(
  context: Context,
  services: string[],
  select: (row: ContainerRow) => boolean,
  done: string,
  deed: (client: Client, row: ContainerRow) => Promise<unknown>,
): Promise<void> {
  const client = await context.client();
  const rows = await stackContainers(client, await context.stackName(), {
    services,
    known: context.knownServices,
  });
  const all = (some: ContainerRow[]) =>
    Promise.allSettled(
      some.map(async (row) => {
        await deed(client, row);
        process.stderr.write(`container ${nameOf(row)} ${done}\n`);
      }),
    );
  // who shares something of another's comes after it: it joins that one's run
  const isRider = ({ HostConfig: { NetworkMode, PidMode, IpcMode } }: ContainerRow) =>
    [NetworkMode, PidMode, IpcMode].some((mode) => mode?.startsWith("container:"));
  const chosen = rows.filter(select);
  const owners = await all(chosen.filter((row) => !isRider(row)));
  const results = [...owners, ...(await all(chosen.filter(isRider)))];
  const failed = results.flatMap((result) =>
    result.status === "rejected" ? [messageOf(result.reason)] : [],
  );
  if (failed.length > 0) throw new BayError("SOME_FAILED", failed.join("\n"));
}

const isUp = (row: ContainerRow) => ["running", "paused", "restarting"].includes(row.State);
const grace = (seconds: number | undefined) => (seconds === undefined ? "" : `?t=${seconds}`);

export const stop = (context: Context, services: string[], options: { timeout?: number }) =>
  each(context, services, isUp, "stopped", (client, row) =>
    client.json("POST", `/containers/${row.Id}/stop${grace(options.timeout)}`),
  );

export const start = (context: Context, services: string[]) =>
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
  options: { timeout?: number },
): Promise<void> {
  const some = (names: string[]) =>
    each(
      context,
      names,
      () => true,
      "restarted",
      (client, row) => client.json("POST", `/containers/${row.Id}/restart${grace(options.timeout)}`),
    );
  await some(services);
  if (services.length === 0 || (context.options.projectName && !context.options.file)) return;
  const stack = await context.stack();
  const rows = await stackContainers(await context.client(), stack.name);
  const present = new Set(rows.filter(isUp).map(serviceOf));
  const { shareWith } = await import("../../stack/loaded.ts");
  const following = Object.values(stack.services).filter(
    (service) =>
      present.has(service.name) &&
      !services.includes(service.name) &&
      services.some((other) => service.dependsOn[other]?.restart || shareWith(service, other)),
  );
  if (following.length > 0) await some(following.map(({ name }) => name));
}

export function kill(context: Context, services: string[], options: { signal: string }) {
  if (signalNumber(options.signal) === undefined)
    throw new BayError("BAD_OPTION", `${options.signal} is no signal`, {
      hint: "write a name such as SIGTERM, or a number",
    });
  return each(
    context,
    services,
    (row) => row.State === "running" || row.State === "paused",
    `got ${options.signal}`,
    (client, row) =>
      client.json("POST", `/containers/${row.Id}/kill?signal=${encodeURIComponent(options.signal)}`),
  );
}

export const pause = (context: Context, services: string[]) =>
  each(
    context,
    services,
    (row) => row.State === "running",
    "paused",
    (client, row) => client.json("POST", `/containers/${row.Id}/pause`),
  );

export const unpause = (context: Context, services: string[]) =>
  each(
    context,
    services,
    (row) => row.State === "paused",
    "goes on",
    (client, row) => client.json("POST", `/containers/${row.Id}/unpause`),
  );

export async function rm(
  context: Context,
  services: string[],
  options: { force?: boolean; stop?: boolean; volumes?: boolean },
): Promise<void> {
  if (options.stop) await stop(context, services, {});
  if (!options.force && !(await confirm("remove the stopped containers?"))) return;
  await each(
    context,
    services,
    (row) => !isUp(row) || options.stop === true,
    "removed",
    (client, row) => client.json("DELETE", `/containers/${row.Id}?v=${options.volumes ? 1 : 0}`),
  );
}

async function confirm(question: string): Promise<boolean> {
  const { createInterface } = await import("node:readline/promises");
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  const ended = new Promise<string>((resolve) => reader.once("close", () => resolve("")));
  const answer = await Promise.race([reader.question(`${question} [y/N] `), ended]);
  reader.close();
  return /^y(es)?$/i.test(answer.trim());
}

/** Waits for all; the exit code is that of the first service's container. */
export async function wait(context: Context, services: string[]): Promise<number> {
  const client = await context.client();
  const rows = await stackContainers(client, await context.stackName(), {
    services,
    known: context.knownServices,
  });
  const codes = await Promise.all(
    rows.map(
      async (row) =>
        (await client.json<{ StatusCode: number }>("POST", `/containers/${row.Id}/wait`)).StatusCode,
    ),
  );
  rows.forEach((row, index) => {
    print(`container ${nameOf(row)} ended with code ${codes[index]}`);
  });
  return codes[0] ?? 0;
}
