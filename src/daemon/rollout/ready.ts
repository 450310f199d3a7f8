/** When a new container is ready: it is healthy, or listens on its published ports, or has run for a moment. */
import type { ContainerManager, ContainerRecord } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";
import { listeningPorts, tcpSockets } from "../../linux/index.ts";
import { checkIsWanted, nextChange } from "../stacks/waiting.ts";
import { failureOf, lastLines } from "./failure.ts";

/** Milliseconds; a container without a health check that does not listen by then may not be meant to. */
const LISTENS_WITHIN = 10_000;
/** Milliseconds after which a container without a health check and published ports counts as ready. */
export const SETTLED_AFTER = 500;
const LOOK = 25;

/** TCP ports that a container publishes without listening: an update need not wait for its replacement to listen there. */
export function silentPorts(record: ContainerRecord): Set<number> {
  if (record.state.pid === 0) return new Set();
  const open = listeningPorts(tcpSockets(record.state.pid));
  return new Set(publishedPorts(record).filter((port) => !open.has(port)));
}

const publishedPorts = ({ config: { ports } }: ContainerRecord) =>
  ports.filter(({ protocol }) => protocol === "tcp").map(({ containerPort }) => containerPort);

/**
 * Resolves when a container that was just started is ready, even if it does not listen on the ports of `silent`. Throws
 * NOT_READY with the reason and its last output, ABORTED.
 */
export async function untilReady(
  manager: ContainerManager,
  id: string,
  silent: ReadonlySet<number>,
  signal: AbortSignal | undefined,
): Promise<void> {
  manager.sessions.health(id)?.hurry();
  for (;;) {
    checkIsWanted(signal);
    const record = manager.get(id);
    if (hasDoneItsWork(record)) return;
    checkIsGood(manager, record);
    if (record.config.health ? manager.health(id) === "healthy" : hasSettled(record, silent)) return;
    await nextChange(manager, record.config.health ? 1000 : LOOK);
  }
}

/** Resolves if the container does not fail for a time. Throws NOT_READY, ABORTED. */
export async function watchFor(
  manager: ContainerManager,
  id: string,
  milliseconds: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const end = Date.now() + milliseconds;
  while (Date.now() < end) {
    checkIsWanted(signal);
    const record = manager.get(id);
    if (!hasDoneItsWork(record)) checkIsGood(manager, record);
    await nextChange(manager, Math.max(1, Math.min(end - Date.now(), 1000)));
  }
}

function hasDoneItsWork({ state, config }: ContainerRecord): boolean {
  return state.status === "exited" && state.exitCode === 0 && config.restart.policy === "no";
}

function checkIsGood(manager: ContainerManager, record: ContainerRecord): void {
  const { state } = record;
  if (state.status === "paused") return; // a user paused it, which does not mean that it is healthy
  const failure = failureOf(manager, record);
  if (failure) throw new BayError("NOT_READY", failure);
  // one that is about to be restarted has failed, too
  if (state.status !== "running")
    throw new BayError("NOT_READY", `ended with exit code ${state.exitCode}${lastLines(manager, record.id)}`);
}

function hasSettled(record: ContainerRecord, silent: ReadonlySet<number>): boolean {
  const { state, config } = record;
  const ran = Date.now() - Date.parse(state.startedAt);
  const ports = publishedPorts(record).filter((port) => !silent.has(port));
  if (config.networkMode !== "bridge" || ports.length === 0) return ran >= SETTLED_AFTER;
  const open = listeningPorts(tcpSockets(state.pid));
  return ports.every((port) => open.has(port)) || ran >= LISTENS_WITHIN;
}
