/** Staying with a stack while its containers come and go, and while bayd restarts. */
import { setTimeout as sleep } from "node:timers/promises";
import { BayError, hasCode } from "../../core/errors.ts";
import type { Client } from "../../daemon/index.ts";

/** Milliseconds after which a bayd that was stopped is not waited for any longer; its keeper needs about one second. */
const GIVE_UP_AFTER = 30_000;
const STEP = 100;

/**
 * Gives a turn at once, and one after each event of the stack's containers. Who looks at the containers in each turn misses
 * no change. Throws DAEMON_LOST where bayd was stopped and no other one started.
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

/** Repeats a request while bayd restarts. Throws DAEMON_LOST where it does not come back. */
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
  hasCode(error, "NO_DAEMON", "DAEMON_LOST", "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE", "EPIPE");
