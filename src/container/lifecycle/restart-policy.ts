/** Restart policies as Docker has them: who is started again, and after which wait. Pure. */
import type { ContainerRecord } from "../model/record.ts";

const MIN_BACKOFF = 100;
const MAX_BACKOFF = 60_000;

/** A run of at least this duration resets the back-off. */
export const GOOD_RUN = 10_000;

/** True where a container that ended is to be started again. */
export function mayRestart({ state, config }: ContainerRecord): boolean {
  const { policy, maxRetries } = config.restart;
  if (state.wanted !== "running") return false;
  if (policy === "always" || policy === "unless-stopped") return true;
  return (
    policy === "on-failure" && state.exitCode !== 0 && (maxRetries === 0 || state.restartCount < maxRetries)
  );
}

/** Milliseconds before the next start: doubled each time, a minute at most. */
export function restartDelay(restartCount: number): number {
  return Math.min(MAX_BACKOFF, MIN_BACKOFF * 2 ** Math.min(restartCount, 20));
}
