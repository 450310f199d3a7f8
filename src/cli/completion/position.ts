/** The position of the cursor in a command line: the command, and whether an option, its value or an argument is next. Pure. */
import type { Argument, Command, Option } from "commander";

export type Position =
  | { kind: "value"; command: Command; option: Option; before: string; word: string }
  | { kind: "option"; command: Command; word: string }
  | { kind: "subcommand"; command: Command; word: string }
  | { kind: "argument"; command: Command; argument: Argument; word: string }
  /** Words of another program's command line. */
  | { kind: "foreign"; word: string }
  | { kind: "nothing" };

const find = (command: Command, flag: string): Option | undefined =>
  command.options.find(({ long, short }) => long === flag || short === flag);

const takesValue = (option: Option) => option.required;

/** `words` are those before the cursor, without the program's name; bash passes `--pull=al` as three words. */
export function positionOf(program: Command, given: readonly string[], cursor: string): Position {
  const { words, word } = joinAtEquals(given, cursor);
  let command = program;
  let isOnlyArguments = false;
  let count = 0;
  for (let at = 0; at < words.length; at++) {
    const text = words[at]!;
    if (isForeign(command, count)) return { kind: "foreign", word: cursor };
    if (!isOnlyArguments && text === "--") isOnlyArguments = true;
    else if (!isOnlyArguments && text.startsWith("-") && text !== "-") {
      const option = find(command, text.split("=", 1)[0]!);
      if (!option || !takesValue(option) || text.includes("=")) continue;
      if (at === words.length - 1) return { kind: "value", command, option, before: "", word };
      at += 1;
    } else {
      const next = count === 0 ? subcommandOf(command, text) : undefined;
      if (next) command = next;
      else count += 1;
    }
  }
  if (isForeign(command, count)) return { kind: "foreign", word: cursor };
  return atCursor(command, word, { isOnlyArguments, count, isSplit: given.at(-1) === "=" || cursor === "=" });
}

function atCursor(
  command: Command,
  word: string,
  { isOnlyArguments, count, isSplit }: { isOnlyArguments: boolean; count: number; isSplit: boolean },
): Position {
  if (!isOnlyArguments && word.startsWith("-")) {
    const [flag = "", value] = word.split(/=(.*)/s);
    const option = find(command, flag);
    if (value === undefined) return { kind: "option", command, word };
    if (!option) return { kind: "nothing" };
    return { kind: "value", command, option, before: isSplit ? "" : `${flag}=`, word: value };
  }
  if (command.commands.length > 0 && count === 0) return { kind: "subcommand", command, word };
  const expected = command.registeredArguments;
  const argument = expected[count] ?? (expected.at(-1)?.variadic ? expected.at(-1) : undefined);
  return argument ? { kind: "argument", command, argument, word } : { kind: "nothing" };
}

const subcommandOf = (command: Command, name: string) =>
  command.commands.find((one) => one.name() === name || one.aliases().includes(name));

/** The words after the service of `exec` and `run` are a command in the container. */
const isForeign = (command: Command, count: number) =>
  count >= 1 && ["exec", "run"].includes(command.name()) && command.parent?.parent === null;

/** Joins `--pull`, `=`, `al`, which bash has split. */
function joinAtEquals(given: readonly string[], cursor: string): { words: string[]; word: string } {
  const joined: string[] = [];
  for (const text of [...given, cursor]) {
    const last = joined.at(-1);
    const isAfterFlag = last !== undefined && /^--[\w-]+=?$/.test(last);
    if (isAfterFlag && (text === "=" || last.endsWith("="))) joined[joined.length - 1] = last + text;
    else joined.push(text);
  }
  return { words: joined.slice(0, -1), word: joined.at(-1)! };
}
