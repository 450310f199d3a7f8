/** Following a stack while its containers change, and while bayd restarts. */
import { setTimeout as sleep } from "node:timers/promises";
import { BayError, hasCode } from "../../core/errors.ts";
import type { Client } from "../../daemon/index.ts";

/** Milliseconds to wait for a stopped bayd; its keeper needs about one second. */
const GIVE_UP_AFTER = 30_000;
const STEP = 100;

/**
 * Yields at once, and once after each event of the stack's containers. A caller that lists the containers each time misses
 * no change. Throws DAEMON_LOST if bayd was stopped and no other one started.
 */
export async function* changesOf(client: Client, stack: string): AsyncGenerator<void> {
  const filters = JSON.stringify({ type: ["container"], label: [`com.docker.compose.project=${stack}`] });
  const path = `/events?${new URLSearchParams({ filters })}`;
  for (;;) {
    const { body } = await patiently(() => client.send("GET", path));
    try {
      yield;
      for await (const _events of body) yield;
    } catch (error) {
      if (!isLoss(error)) throw error;
    } finally {
      body.destroy();
    }
  }
}

/** Repeats a request while bayd restarts. Throws DAEMON_LOST if it does not start again. */
export async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + GIVE_UP_AFTER; ; ) {
    try {
      return await ask();
    } catch (error) {
      if (!isLoss(error)) throw error;
      if (Date.now() > deadline)
        throw new BayError("DAEMON_LOST", "bayd was stopped; the containers continue to run", {
          cause: error,
          hint: "bay up starts it again",
        });
    }
    await sleep(STEP);
  }
}

/** True where the connection to bayd ended, or could not be made, because bayd does not run. */
export const isLoss = (error: unknown): boolean =>
  hasCode(
    error,
    "NO_DAEMON",
    "HOST_UNREACHABLE",
    "DAEMON_LOST",
    "ECONNRESET",
    "ERR_STREAM_PREMATURE_CLOSE",
    "EPIPE",
  );
