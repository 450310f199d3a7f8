/** A stack from a document in memory: a request is checked by the same rules as a file. */
import type { Diagnostic } from "../core/diagnostics.ts";
import { checkInput, type ReportAt } from "./check/check.ts";
import type { Stack } from "./model/stack.ts";
import { normaliseStack } from "./normalise/normalise.ts";

/** A problem, and the path of the value in the document. */
export interface DocumentProblem {
  path: readonly (string | number)[];
  severity: Diagnostic["severity"];
  message: string;
}

/**
 * Reads a Compose document (Compose specification) that no file contains: without interpolation, variables of the
 * environment or profiles. Relative paths begin at `/`. All problems are returned; the stack can be used only if none of
 * them is an error.
 */
export function readDocument(document: unknown, name: string): { stack: Stack; problems: DocumentProblem[] } {
  const problems: DocumentProblem[] = [];
  const report: ReportAt = (path, { severity, message }) => void problems.push({ path, severity, message });
  const { input } = checkInput(document, report);
  const stack = normaliseStack(
    input,
    {
      name,
      directory: "/",
      files: [],
      profiles: [],
      enable: [],
      variables: () => undefined,
      inputs: new Set(),
      locate: () => undefined,
    },
    report,
  );
  return { stack, problems };
}
