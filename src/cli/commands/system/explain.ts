/** `bay explain`: what an error code means, its usual causes, and what to do. */
import { nearest } from "../../../core/diagnostics.ts";
import {
  docsAnchor,
  ERROR_CODES,
  ERROR_GROUPS,
  type ErrorCode,
  entryOf,
  readCode,
} from "../../../core/error-codes/table.ts";
import { BayError } from "../../../core/errors.ts";
import type { Context } from "../../context.ts";
import { print, printJson } from "../../ui/output.ts";

/** Prints the given codes; without codes, all of them with their meanings. Throws UNKNOWN_CODE. */
export async function explain(
  _context: Context,
  names: string[],
  options: { format: string },
): Promise<void> {
  const codes = names.map(codeNamed);
  if (options.format === "json")
    return printJson((codes.length > 0 ? codes : (Object.keys(ERROR_CODES) as ErrorCode[])).map(asJson));
  print(codes.length > 0 ? codes.map(asText).join("\n\n") : listText());
}

/** Finds a code in any letter case, or as an error message shows it. Throws UNKNOWN_CODE. */
function codeNamed(text: string): ErrorCode {
  const name = text
    .replace(/^error\[(.*)\]:?$/i, "$1")
    .trim()
    .toUpperCase();
  const code = readCode(name, "UNKNOWN_CODE");
  if (code !== "UNKNOWN_CODE" || name === "UNKNOWN_CODE") return code;
  const close = nearest(name, Object.keys(ERROR_CODES));
  throw new BayError("UNKNOWN_CODE", `unknown error code ${JSON.stringify(text)}`, {
    hint: close ? `did you mean ${close}?` : "bay explain lists all codes",
  });
}

const asJson = (code: ErrorCode) => ({ code, ...entryOf(code), docs: docsAnchor(code) });

function asText(code: ErrorCode): string {
  const { meaning, causes, fix, exit, daemonExit, http } = entryOf(code);
  const ofDaemon = daemonExit === undefined ? "" : ` (bay daemon run: ${daemonExit})`;
  return [
    `${code}: ${meaning}`,
    `  usual causes: ${causes}`,
    `  what to do: ${fix}`,
    `  exit code ${exit}${ofDaemon}, HTTP status ${http}; ${docsAnchor(code)}`,
  ].join("\n");
}

function listText(): string {
  const width = Math.max(...Object.keys(ERROR_CODES).map((code) => code.length));
  return Object.entries(ERROR_GROUPS)
    .map(([title, group]) =>
      [
        title,
        ...Object.entries(group).map(([code, { meaning }]) => `  ${code.padEnd(width)}  ${meaning}`),
      ].join("\n"),
    )
    .join("\n\n");
}
