/** One request's failure ends that request alone: errors that no handler caught are told to it, and logged. */
import { AsyncLocalStorage } from "node:async_hooks";
import { messageOf } from "../../core/errors.ts";

/** What is known of a request until everything that it started has ended. */
interface Running {
  /** For the log. */
  title: string;
  /** Answers the error, or closes the connection; undefined once the request is over. */
  fail: ((error: unknown) => void) | undefined;
}

const running = new AsyncLocalStorage<Running>();

/** Requests whose answer or connection is not at its end. */
let open = 0;
export const openRequests = (): number => open;

const MAX_TITLE = 200;

/**
 * Runs a request. Whatever it throws, now or later, goes to `fail`; `over` is told the way to say that the request
 * is over, so that what outlives it (a started container) holds nothing of it.
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

const WINDOW = 10_000;
const LINES_PER_WINDOW = 50;
let [windowStart, lines] = [0, 0];

/** Bounded, so that a client that makes errors does not fill the disk with them. */
function log(text: string): void {
  const now = Date.now();
  if (now - windowStart > WINDOW) [windowStart, lines] = [now, 0];
  lines += 1;
  if (lines > LINES_PER_WINDOW) return;
  process.stderr.write(`${new Date(now).toISOString()} ${text.slice(0, 4000)}\n`);
}

function caught(error: unknown): void {
  const request = running.getStore();
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log(`${request ? `request ${request.title}` : "outside of requests"}: uncaught: ${stack}`);
  if (request) failSafely(request, error);
}

/** From now on no uncaught error ends the process. */
export function catchEverything(): void {
  process.on("uncaughtException", caught);
  process.on("unhandledRejection", caught);
}
