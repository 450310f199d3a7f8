/** Here-documents of RUN, COPY and ADD (Dockerfile reference, "Here-Documents"): `<<NAME`, `<<-NAME`, `<<"NAME"`. */
import { hasCode } from "../../core/errors.ts";
import { expand } from "./words.ts";

export interface Heredoc {
  name: string;
  /** Variables in it are replaced, unless a part of the name was quoted. */
  expand: boolean;
  /** `<<-`: tabs at the beginning of its lines are removed. */
  chomp: boolean;
  fd: number;
  content: string;
}

const HEREDOC = /^(\d*)<<(-?)([^<]*)$/;
const nothing = () => undefined;

/** The here-documents in an instruction's text, still without content. */
export function heredocsOf(text: string): Heredoc[] {
  let words: string[];
  try {
    ({ words } = expand(text, nothing, { keepQuotes: true, keepEscapes: true, keepUnset: true }));
  } catch (error) {
    if (hasCode(error, "BAD_WORD")) return []; // the shell may accept words that are invalid here
    throw error;
  }
  return words.flatMap((word) => parseHeredoc(word) ?? []);
}

/** The here-document that `<<NAME` starts; undefined for any other word. */
export function parseHeredoc(word: string): Heredoc | undefined {
  const match = HEREDOC.exec(word);
  if (!match) return undefined;
  const [, fd = "", dash = "", rest = ""] = match;
  if (rest === "") return undefined;
  const plain = expand(rest, nothing, { keepUnset: true }).words;
  const [raw] = expand(rest, nothing, { keepQuotes: true, keepEscapes: true, keepUnset: true }).words;
  const [name] = plain;
  if (name === undefined || plain.length !== 1) return undefined;
  return { name, expand: name === raw, chomp: dash === "-", fd: fd === "" ? 0 : Number(fd), content: "" };
}
