/** How a command is added to the program, and the options that several share. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Context } from "../context.ts";

export const collect = (value: string, previous: string[] = []) => [...previous, value];

export function whole(value: string): number {
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError("expected a whole number");
  return Number(value);
}

export const secondsOption = () =>
  new Option("-t, --timeout <seconds>", "grace before SIGKILL").argParser(whole);

export const tableOrJson = () =>
  new Option("--format <format>", "table or json").choices(["table", "json"]).default("table");

export const pruneFilter = () =>
  new Option("--filter <filter>", "only those: until=24h, label=KEY[=VALUE]; again for more").argParser(
    collect,
  );

type Handler<Options> = (context: Context, args: string[], options: Options) => Promise<unknown>;

/** Adds a command whose arguments are all words; a handler that gives a number sets the exit code. */
export type Add = <Options>(
  usage: string,
  description: string,
  configure: (command: Command) => Command,
  load: () => Promise<Handler<Options>>,
) => Command;

export function adder(program: Command, context: () => Context, setExitCode: (code: number) => void): Add {
  return (usage, description, configure, load) => {
    const command = configure(program.command(usage).description(description));
    command.exitOverride();
    return command.action(async (...given: unknown[]) => {
      const words = given
        .slice(0, -2)
        .flat()
        .filter((word): word is string => typeof word === "string");
      const handler = await load();
      const code = await handler(context(), words, given.at(-2) as never);
      if (typeof code === "number") setExitCode(code);
    });
  };
}
