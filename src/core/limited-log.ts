/** A log that clients can cause lines in: limited, so that they cannot fill the disk with it. */
import { LIMITS } from "./limits.ts";

const WINDOW = 10_000;
const LINES_PER_WINDOW = LIMITS.request.logLines;
const MAX_LINE = 4000;

/** Passes at most 50 lines of 10 seconds on; `now` gives milliseconds. */
export function limitedLog(
  log: (text: string) => void,
  now: () => number = Date.now,
): (text: string) => void {
  let [windowStart, lines] = [Number.NEGATIVE_INFINITY, 0];
  return (text) => {
    if (now() - windowStart > WINDOW) [windowStart, lines] = [now(), 0];
    lines += 1;
    if (lines <= LINES_PER_WINDOW) log(text.slice(0, MAX_LINE));
    if (lines === LINES_PER_WINDOW) log("more such lines are left out for some seconds");
  };
}
