/** The error thrown if a stack's files cannot be used. */
import { type Diagnostic, formatDiagnostics } from "../core/diagnostics.ts";
import { BayError } from "../core/errors.ts";

/** All problems of a stack's files. The message is ready to print; it shows a limited number of them. */
export class StackError extends BayError {
  constructor(
    readonly diagnostics: readonly Diagnostic[],
    readonly sources: ReadonlyMap<string, string>,
  ) {
    const errors = diagnostics.filter(({ severity }) => severity === "error");
    const count = errors.length === 1 ? "1 problem" : `${errors.length} problems`;
    super(
      "BAD_STACK_FILE",
      `${formatDiagnostics(diagnostics, sources).join("\n\n")}\n\n${count} in the stack file`,
    );
    this.name = "StackError";
  }
}
