/** A gitops document: a YAML file whose `gitops:` key describes sources by name. */

import { parseDocument } from "yaml";
import { BayError, messageOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { readSource, type Source } from "./source.ts";

const MAX_SOURCES = LIMITS.gitops.sources;
const MAX_BYTES = LIMITS.gitops.documentBytes;

export interface DescribedSource {
  source: Source;
  /** As the document has it, for bayd, which checks it again. */
  rules: unknown;
}

/** Throws BAD_GITOPS with all problems of the document. */
export function readDocument(text: string, file: string): DescribedSource[] {
  const bad = (message: string) => new BayError("BAD_GITOPS", `${file}: ${message}`);
  if (text.length > MAX_BYTES) throw bad(`the file is larger than ${MAX_BYTES} bytes`);
  const document = parseDocument(text, { uniqueKeys: true });
  if (document.errors.length > 0) throw bad(document.errors.map(({ message }) => message).join("; "));
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw new BayError("BAD_GITOPS", `${file}: ${messageOf(cause)}`);
  }
  if (!isMapping(value) || !isMapping(value.gitops)) throw bad("expected a mapping with the key gitops");
  const strange = Object.keys(value).filter((key) => key !== "gitops" && !key.startsWith("x-"));
  if (strange.length > 0) throw bad(`unknown key ${strange.join(", ")}; expected gitops`);
  const entries = Object.entries(value.gitops);
  if (entries.length > MAX_SOURCES)
    throw bad(`${entries.length} sources; at most ${MAX_SOURCES} are allowed`);
  const problems: string[] = [];
  const sources = entries.flatMap(([name, input]) => {
    try {
      return [{ source: readSource(name, input), rules: input }];
    } catch (error) {
      problems.push(messageOf(error));
      return [];
    }
  });
  if (problems.length > 0) throw bad(problems.join("; "));
  return sources;
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
