/** How the command reports an error, on standard error and by its exit code. */
import { BayError, messageOf } from "../core/errors.ts";

/** Writes an error with its code and hint; with BAY_DEBUG, where it was thrown too. */
export function printError(error: unknown): void {
  if (!(error instanceof BayError)) {
    process.stderr.write(
      `error: ${error instanceof Error ? (process.env.BAY_DEBUG ? error.stack : messageOf(error)) : String(error)}\n`,
    );
    return;
  }
  // a stack file's errors have their own places, labels and codes
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

/** The codes of the errors in a stack file, each once; not those of warnings. */
function codesOf(error: BayError): string[] {
  const { diagnostics = [] } = error as { diagnostics?: readonly { severity: string; code: string }[] };
  return [...new Set(diagnostics.flatMap(({ severity, code }) => (severity === "error" ? code : [])))];
}

/** The exit code for anything that was thrown; the table of codes has it. */
export async function exitCodeOf(error: unknown): Promise<number> {
  if (!(error instanceof BayError)) return 1;
  const { entryOf } = await import("../core/error-codes/table.ts");
  return entryOf(error.code).exit;
}
