/** A failure of one request ends only that request: errors that no handler caught are sent as its response, and logged. */
import { AsyncLocalStorage } from "node:async_hooks";
import { messageOf } from "../../core/errors.ts";
import { limitedLog } from "../../core/limited-log.ts";

/** The state of a request until everything that it started has ended. */
interface Running {
  /** For the log. */
  title: string;
  /** Sends the error, or closes the connection; undefined when the request has ended. */
  fail: ((error: unknown) => void) | undefined;
}

const running = new AsyncLocalStorage<Running>();

/** The number of requests whose response or connection has not ended. */
let open = 0;
export const openRequests = (): number => open;

const MAX_TITLE = 200;

/**
 * Runs a request. `fail` gets all of its errors, also later ones. `over` gets the function that marks the request as ended,
 * so that work that outlives it (a started container) does not keep it in memory.
 */
export function guarded(
  title: string,
  fail: (error: unknown) => void,
  over: (done: () => void) => void,
  action: () => Promise<void>,
): void {
  const request: Running = { title: title.slice(0, MAX_TITLE), fail };
  open += 1;
  over(() => {
    if (request.fail) open -= 1;
    request.fail = undefined;
  });
  void running.run(request, async () => {
    try {
      await action();
    } catch (error) {
      failSafely(request, error);
    }
  });
}

function failSafely(request: Running, error: unknown): void {
  try {
    request.fail?.(error);
  } catch (second) {
    log(`${request.title}: ${messageOf(second)}`);
  }
}

const log = limitedLog((text) => process.stderr.write(`${new Date().toISOString()} ${text}\n`));

function caught(error: unknown): void {
  const request = running.getStore();
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log(`${request ? `request ${request.title}` : "outside of requests"}: uncaught: ${stack}`);
  if (request) failSafely(request, error);
}

/** From now on an uncaught error does not end the process. */
export function catchEverything(): void {
  process.on("uncaughtException", caught);
  process.on("unhandledRejection", caught);
}
