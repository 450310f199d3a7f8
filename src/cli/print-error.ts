/** How the command reports an error, on standard error and by its exit code. */
import { BayError, messageOf } from "../core/errors.ts";

/** Prints an error with its code and hint; with BAY_DEBUG, also with its stack trace. */
export function printError(error: unknown): void {
  if (!(error instanceof BayError)) {
    process.stderr.write(
      `error: ${error instanceof Error ? (process.env.BAY_DEBUG ? error.stack : messageOf(error)) : String(error)}\n`,
    );
    return;
  }
  // errors of a stack file already contain their places, labels and codes
  const isReady = error.code === "BAD_STACK_FILE";
  const codes = isReady ? codesOf(error) : [];
  process.stderr.write(
    [
      isReady ? error.message : `error[${error.code}]: ${messageOf(error)}`,
      ...(error.hint ? [`  ${error.hint}`] : []),
      ...(codes.length > 0 ? [`  for details: bay explain ${codes.join(" ")}`] : []),
      "",
    ].join("\n"),
  );
  if (process.env.BAY_DEBUG) process.stderr.write(`${error.stack}\n`);
}

/** The codes of the errors in a stack file, without duplicates; not those of warnings. */
function codesOf(error: BayError): string[] {
  const { diagnostics = [] } = error as { diagnostics?: readonly { severity: string; code: string }[] };
  return [...new Set(diagnostics.flatMap(({ severity, code }) => (severity === "error" ? code : [])))];
}

/** The exit code for any thrown value, from the table of codes. */
export async function exitCodeOf(error: unknown): Promise<number> {
  if (!(error instanceof BayError)) return 1;
  const { entryOf } = await import("../core/error-codes/table.ts");
  return entryOf(error.code).exit;
}
