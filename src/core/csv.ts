/** Comma-separated fields, as flags of builds and caches of stack files have them. */
import { BayError } from "./errors.ts";

/** One line of CSV (RFC 4180). Throws BAD_OPTION for an unterminated quote. */
export function csvFields(text: string): string[] {
  const fields: string[] = [];
  for (let at = 0; at <= text.length; ) {
    if (text[at] === '"') {
      const [whole, inner = ""] = /^"((?:[^"]|"")*)"(?=,|$)/s.exec(text.slice(at)) ?? [];
      if (whole === undefined)
        throw new BayError("BAD_OPTION", `a quote in ${JSON.stringify(text)} is not closed`);
      fields.push(inner.replaceAll('""', '"'));
      at += whole.length + 1;
    } else {
      const end = text.indexOf(",", at);
      fields.push(text.slice(at, end === -1 ? text.length : end));
      at = end === -1 ? text.length + 1 : end + 1;
    }
  }
  return fields;
}
