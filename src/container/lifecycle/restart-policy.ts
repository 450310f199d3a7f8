/** Docker's restart policies: which containers are restarted, and after which delay. Pure. */
import type { ContainerRecord } from "../model/record.ts";

const MIN_BACKOFF = 100;
const MAX_BACKOFF = 60_000;

/** Milliseconds: a run of at least this duration resets the back-off. */
export const GOOD_RUN = 10_000;

/** True if a container that has ended is to be restarted. */
export function mayRestart({ state, config }: ContainerRecord): boolean {
  const { policy, maxRetries } = config.restart;
  if (state.wanted !== "running") return false;
  if (policy === "always" || policy === "unless-stopped") return true;
  return (
    policy === "on-failure" && state.exitCode !== 0 && (maxRetries === 0 || state.restartCount < maxRetries)
  );
}

/** Milliseconds before the next start: doubled each time, up to a minute. */
export function restartDelay(restartCount: number): number {
  return Math.min(MAX_BACKOFF, MIN_BACKOFF * 2 ** Math.min(restartCount, 20));
}
