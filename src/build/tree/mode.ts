/** Modes of --chmod: octal or symbolic, as in chmod(1) (POSIX "chmod", symbolic_mode). */
import { BayError } from "../../core/errors.ts";

/** The mode of a file or directory after the change; both are the low twelve bits. */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

const CLAUSE = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/;
const ACTION = /([-+=])([ugo](?![rwxXst])|[rwxXst]*)/g;
const SHIFT = { u: 6, g: 3, o: 0 };
const BITS = { r: 4, w: 2, x: 1 };
const SETUID = 0o4000;
const SETGID = 0o2000;
const STICKY = 0o1000;

/** Parses a mode. Throws BAD_DOCKERFILE. */
export function parseMode(text: string): ModeChange {
  if (/^[0-7]{1,4}$/.test(text)) return () => Number.parseInt(text, 8);
  const clauses = text.split(",").map((clause) => CLAUSE.exec(clause));
  if (clauses.includes(null))
    throw new BayError("BAD_DOCKERFILE", `--chmod: invalid mode ${JSON.stringify(text)}`, {
      hint: "use an octal mode such as 755, or letters such as u=rwX,go=rX",
    });
  return (before, isDirectory) =>
    clauses.reduce((mode, clause) => {
      const [, who = "", actions = ""] = clause!;
      const classes = [...(who === "" || who.includes("a") ? "ugo" : who)] as (keyof typeof SHIFT)[];
      let changed = mode;
      for (const [, operator, letters] of actions.matchAll(ACTION))
        changed = apply(changed, classes, operator!, letters!, isDirectory);
      return changed;
    }, before);
}

function apply(
  mode: number,
  classes: readonly (keyof typeof SHIFT)[],
  operator: string,
  letters: string,
  isDirectory: boolean,
): number {
  let [mask, special] = [0, 0];
  const copied = /^[ugo]$/.test(letters) ? letters : undefined;
  for (const name of classes) {
    mask |= 7 << SHIFT[name];
    if (letters.includes("s")) special |= name === "u" ? SETUID : name === "g" ? SETGID : 0;
  }
  if (letters.includes("t")) special |= STICKY;
  const runs = isDirectory || (mode & 0o111) !== 0;
  const one = copied
    ? (mode >> SHIFT[copied as keyof typeof SHIFT]) & 7
    : [...letters].reduce((sum, letter) => {
        if (letter === "X") return runs ? sum | 1 : sum;
        return sum | (BITS[letter as keyof typeof BITS] ?? 0);
      }, 0);
  const wanted = classes.reduce((sum, name) => sum | (one << SHIFT[name]), 0) | special;
  if (operator === "+") return mode | wanted;
  if (operator === "-") return mode & ~wanted;
  // = keeps the setuid and setgid bits of a directory, as chmod(1) does
  const bits = (classes.includes("u") ? SETUID : 0) | (classes.includes("g") ? SETGID : 0);
  const cleared = mode & ~mask & ~(isDirectory ? 0 : bits);
  return cleared | wanted;
}
