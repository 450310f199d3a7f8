/** How the command tells an error, on standard error. */
import { BayError, messageOf } from "../core/errors.ts";

/** Writes an error and its hint; with BAY_DEBUG, where it was thrown too. */
export function printError(error: unknown): void {
  if (!(error instanceof BayError)) {
    process.stderr.write(
      `error: ${error instanceof Error ? (process.env.BAY_DEBUG ? error.stack : messageOf(error)) : String(error)}\n`,
    );
    return;
  }
  const isReady = error.code === "BAD_STACK_FILE"; // it carries its own places and labels
  process.stderr.write(
    `${isReady ? "" : "error: "}${isReady ? error.message : messageOf(error)}\n${error.hint ? `  ${error.hint}\n` : ""}`,
  );
  if (process.env.BAY_DEBUG) process.stderr.write(`${error.stack}\n`);
}
