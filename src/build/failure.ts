/** A build that failed at an instruction: its place, and the last lines of output. */
import { formatDiagnostic, type SourcePosition } from "../core/diagnostics.ts";
import { BayError } from "../core/errors.ts";

export class StepFailure extends BayError {
  constructor(cause: BayError, place: SourcePosition, source: string, output: readonly string[] = []) {
    const { message, hint } = cause;
    const shown = formatDiagnostic(
      { severity: "error", code: cause.code, message, place, ...(hint ? { hint } : {}) },
      new Map([[place.file, source]]),
    );
    const last =
      output.length > 0 ? `\nlast lines of output:\n${output.map((line) => `  ${line}`).join("\n")}` : "";
    super(cause.code, shown + last, { cause });
    this.name = "StepFailure";
  }
}
