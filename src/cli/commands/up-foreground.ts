/** `bay up` in the foreground: logs until everything ends; Ctrl-C stops the stack, a second one kills it. */
import type { Client } from "../../daemon/index.ts";
import type { Stack } from "../../stack/index.ts";
import { type ContainerRow, nameOf, serviceOf, stackContainers } from "../context.ts";
import { LogFollower } from "../ui/log-follower.ts";

export interface FollowOptions {
  attach: string[] | undefined;
  logPrefix: boolean;
  abortOnExit: boolean;
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
  const shown = rows.filter((row) =>
    options.attach?.length
      ? options.attach.includes(serviceOf(row))
      : stack.services[serviceOf(row)]?.attach !== false,
  );
  const follower = new LogFollower(client, { prefix: options.logPrefix, timestamps: false, colour: true });
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
    return row;
  });
  let first: ContainerRow | undefined;
  if (options.abortOnExit) {
    first = await Promise.race(ends);
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
