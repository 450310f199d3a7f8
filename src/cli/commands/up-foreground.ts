/** `bay up` in the foreground: logs until everything ends; Ctrl-C stops the stack, a second one kills it. */
import type { Client } from "../../daemon/index.ts";
import type { Stack } from "../../stack/index.ts";
import { type ContainerRow, nameOf, serviceOf, stackContainers } from "../context.ts";
import { LogFollower } from "../ui/log-follower.ts";

export interface FollowOptions {
  attach: string[] | undefined;
  noAttach: readonly string[];
  logPrefix: boolean;
  colour: boolean;
  timestamps: boolean;
  /** Stop all when the first container ends, or ends with another exit code than 0. */
  abortOn: "exit" | "failure" | undefined;
  exitCodeFrom: string | undefined;
  graceSeconds: number | undefined;
  /** Output from before it is not shown: seconds since 1970. */
  since: string | undefined;
}

interface Inspected {
  State: { ExitCode: number; EndedBy?: string; Running: boolean; Restarting: boolean };
}

export async function follow(
  client: Client,
  stack: Stack,
  services: string[],
  options: FollowOptions,
): Promise<number> {
  const rows = await stackContainers(client, stack.name, { services });
  const isShown = (service: string) =>
    options.attach?.length ? options.attach.includes(service) : stack.services[service]?.attach !== false;
  const shown = rows.filter((row) => isShown(serviceOf(row)) && !options.noAttach.includes(serviceOf(row)));
  const { logPrefix: prefix, timestamps, colour } = options;
  const follower = new LogFollower(client, { prefix, timestamps, colour });
  let interrupts = 0;
  let stopping: Promise<void> | undefined;
  const stopAll = (kill: boolean) => stopContainers(client, rows, kill, options.graceSeconds);
  const onInterrupt = () => {
    interrupts += 1;
    if (interrupts > 2) process.exit(130);
    process.stderr.write(interrupts === 1 ? "\nstopping; press Ctrl-C again to kill\n" : "\nkilling\n");
    const before = stopping;
    stopping = Promise.all([before, stopAll(interrupts > 1)]).then(() => {});
  };
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onInterrupt);
  const logs = Promise.all(
    shown.map((row) =>
      follower.follow(row, { tail: "all", follow: true, ...(options.since ? { since: options.since } : {}) }),
    ),
  );
  const ends = rows.map(async (row) => {
    await client.json("POST", `/containers/${row.Id}/wait`);
    const { ExitCode, EndedBy } = await untilSettled(client, row.Id);
    const by = EndedBy ? ` (${EndedBy})` : "";
    process.stderr.write(`${nameOf(row)} exited with code ${ExitCode}${by}\n`);
    return { row, code: ExitCode };
  });
  let first: ContainerRow | undefined;
  if (options.abortOn) {
    first = await firstToAbort(ends, options.abortOn);
    if (interrupts === 0) await stopAll(false);
  } else await Promise.all(ends);
  await stopping;
  await Promise.race([logs, new Promise((resolve) => setTimeout(resolve, 500))]);
  process.off("SIGINT", onInterrupt);
  process.off("SIGTERM", onInterrupt);
  const judged = options.exitCodeFrom ? rows.find((row) => serviceOf(row) === options.exitCodeFrom) : first;
  if (judged) return (await client.json<Inspected>("GET", `/containers/${judged.Id}/json`)).State.ExitCode;
  return interrupts > 0 ? 130 : 0;
}

/** The container whose end stops the others; undefined where all end with exit code 0 and only a failure counts. */
async function firstToAbort(
  ends: readonly Promise<{ row: ContainerRow; code: number }>[],
  on: "exit" | "failure",
): Promise<ContainerRow | undefined> {
  if (on === "exit") return (await Promise.race(ends)).row;
  return new Promise((resolve, reject) => {
    for (const end of ends) end.then(({ row, code }) => code !== 0 && resolve(row), reject);
    Promise.all(ends).then(() => resolve(undefined), reject);
  });
}

/** A container that its restart policy brings back has not ended. */
async function untilSettled(client: Client, id: string): Promise<Inspected["State"]> {
  for (;;) {
    const { State } = await client.json<Inspected>("GET", `/containers/${id}/json`);
    if (!State.Running && !State.Restarting) return State;
    if (State.Running) await client.json("POST", `/containers/${id}/wait`);
    else await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function stopContainers(
  client: Client,
  rows: ContainerRow[],
  kill: boolean,
  grace: number | undefined,
): Promise<void> {
  const query = grace === undefined ? "" : `?t=${grace}`;
  const path = kill ? "kill?signal=SIGKILL" : `stop${query}`;
  await Promise.all(
    rows.map((row) => client.json("POST", `/containers/${nameOf(row)}/${path}`).catch(() => {})),
  );
}
