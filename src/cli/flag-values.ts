/**
 * Flags with a value of true or false, as Go's flag package reads them: `--orphans=false`, `-T=true`. commander knows such flags
 * without a value only.
 */
import type { Command, Option } from "commander";

const WITH_FLAG_VALUE = /^(--[a-z][a-z-]*|-[a-zA-Z])=(.*)$/;
const TRUE = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const FALSE = new Set(["0", "f", "F", "FALSE", "false", "False"]);

/** The same words with `--flag` for `--flag=true`, and with nothing or `--no-flag` for `--flag=false`; the last one counts. */
export function plainFlags(program: Command, words: readonly string[]): string[] {
  if (!words.some((word) => WITH_FLAG_VALUE.test(word))) return [...words];
  let command = program;
  let plain: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    const child = word.startsWith("-") ? undefined : childOf(command, word);
    if (word === "--" || (!word.startsWith("-") && child === undefined && isOfContainer(command)))
      return [...plain, ...words.slice(at)];
    command = child ?? command;
    const [, flag = word, value] = WITH_FLAG_VALUE.exec(word) ?? [];
    const option = optionOf(command, flag);
    if (option?.required && value === undefined) plain.push(word, ...words.slice(++at, at + 1));
    else if (!option || option.required || option.optional || value === undefined) plain.push(word);
    else if (TRUE.has(value)) plain.push(flag);
    else if (FALSE.has(value)) plain = without(plain, command, option);
    else plain.push(word); // commander rejects it
  }
  return plain;
}

/** After its first operand, the words are a command of the container. */
const isOfContainer = (command: Command) => command.name() === "run" || command.name() === "exec";

const childOf = (command: Command, name: string) =>
  command.commands.find((each) => each.name() === name || each.aliases().includes(name));

const optionOf = (command: Command, flag: string) =>
  command.options.find(({ short, long }) => short === flag || long === flag);

/** The words with the flag off: without it, and with its opposite if there is one. */
function without(words: readonly string[], command: Command, { long, short, negate }: Option): string[] {
  const opposite = negate ? undefined : optionOf(command, `--no-${long?.slice(2)}`)?.long;
  return [...words.filter((word) => word !== long && word !== short), ...(opposite ? [opposite] : [])];
}
