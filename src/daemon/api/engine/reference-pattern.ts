/** Patterns of image names, as in `docker images --filter reference=…`: Go's path.Match on the familiar name. */
import { BayError } from "../../../core/errors.ts";
import { NamePattern } from "./name-pattern.ts";

/** `*` and `?` do not match a slash. Throws BAD_REQUEST. */
function toExpression(pattern: string): string {
  let text = "";
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at]!;
    if (character === "*") text += "[^/]*";
    else if (character === "?") text += "[^/]";
    else if (character === "[") {
      const end = pattern.indexOf("]", at + 2);
      if (end === -1) throw bad(pattern, "missing ]");
      text += pattern.slice(at, end + 1);
      at = end;
    } else if (character === "\\") {
      at += 1;
      if (at >= pattern.length) throw bad(pattern, "a backslash at the end");
      text += literal(pattern[at]!);
    } else text += literal(character);
  }
  return `^${text.replaceAll("[^/]*[^/]*", "[^/]*")}$`;
}

const literal = (character: string) => (/[\w/:@-]/.test(character) ? character : `\\${character}`);

const bad = (pattern: string, why: string) =>
  new BayError("BAD_REQUEST", `invalid reference pattern ${JSON.stringify(pattern)}: ${why}`);

/**
 * Returns a test whether a familiar reference (`nginx:1.27`, `quay.io/a/b:1`) matches: as a whole, or its name without tag or
 * digest. A pattern without wildcards is a name.
 */
export function referencePattern(pattern: string): (familiar: string) => boolean {
  const expression = new NamePattern(toExpression(pattern.replace(/^docker\.io\/(library\/)?/, "")));
  return (familiar) => {
    const name = familiar.replace(/@.*$/, "").replace(/:[^/:]*$/, "");
    return expression.test(familiar) || expression.test(name);
  };
}
