/** Waiting until started containers run, and are healthy if they have a health check. */

import { BayError } from "../core/errors.ts";
import type { Client } from "../daemon/index.ts";
import { type ContainerRow, nameOf } from "./named-containers.ts";

interface Inspected {
  State: { Running: boolean; Restarting: boolean; ExitCode: number; Health?: { Status: string } };
}

const BETWEEN = 100;

/** `timeout` is in seconds. Throws WAIT_FAILED, which names each container. */
export async function untilReady(
  client: Client,
  rows: readonly ContainerRow[],
  timeout: number | undefined,
): Promise<void> {
  const deadline = timeout === undefined ? Number.POSITIVE_INFINITY : Date.now() + timeout * 1000;
  const results = await Promise.all(rows.map((row) => problemOf(client, row, deadline)));
  const problems = results.filter((problem) => problem !== undefined);
  if (problems.length > 0) throw new BayError("WAIT_FAILED", problems.join("\n"));
}

async function problemOf(client: Client, row: ContainerRow, deadline: number): Promise<string | undefined> {
  for (;;) {
    const { State } = await client.json<Inspected>("GET", `/containers/${row.Id}/json`);
    const { Running, Restarting, ExitCode, Health } = State;
    if (Running && ["healthy", "none", undefined].includes(Health?.Status)) return undefined;
    if (Running && Health?.Status === "unhealthy") return `${nameOf(row)} is unhealthy`;
    if (!Running && !Restarting)
      return ExitCode === 0 ? undefined : `${nameOf(row)} exited with code ${ExitCode}`;
    if (Date.now() > deadline) return `${nameOf(row)} was not ready in time`;
    await new Promise((resolve) => setTimeout(resolve, BETWEEN));
  }
}
