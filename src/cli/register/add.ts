/** Adding commands to the program, and options that several commands share. */
import { Command, InvalidArgumentError, Option } from "commander";
import { BayError } from "../../core/errors.ts";
import type { Context } from "../context.ts";

export const collect = (value: string, previous: string[] = []) => [...previous, value];

export function whole(value: string): number {
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError("expected a whole number");
  return Number(value);
}

export const secondsOption = () =>
  new Option("-t, --timeout <seconds>", "seconds to wait before SIGKILL").argParser(whole);

/** How a command changes a stack that follows a repository. */
export const claimOptions = (command: Command): Command =>
  command
    .option("--take-over", "suspend the gitops source that manages the stack first")
    .option("--once", "change a stack that a gitops source manages, until its next sync or repair of drift");

/** Rows as a table, as JSON, or by a Go template. */
export const formatOption = () =>
  new Option("--format <format>", "table, json, or a Go template: 'table {{.Name}}\\t{{.ID}}'").default(
    "table",
  );

/**
 * An option of docker compose that bay does not support: it is rejected by name, with the reason. Nothing happens if the
 * command was not added, because another one runs.
 */
export function refuse(command: Command | undefined, flags: string, reason: string): void {
  if (command === undefined) return;
  const option = new RefusedOption(flags, reason);
  command.addOption(option);
  command.on(`option:${option.name()}`, () => {
    throw new BayError("UNSUPPORTED_OPTION", `${option.long ?? option.short} is not supported: ${reason}`);
  });
}

export class RefusedOption extends Option {
  constructor(
    flags: string,
    readonly reason: string,
  ) {
    super(flags, `not supported: ${reason}`);
    this.hideHelp();
  }
}

/** A command of docker compose that bay does not support. */
export function refuseCommand(program: Command, name: string, reason: string): void {
  const command = program
    .command(name, { hidden: true })
    .description(`not supported: ${reason}`)
    .argument("[words...]")
    .allowUnknownOption()
    .helpOption(false)
    .exitOverride();
  REFUSED_COMMANDS.set(name, reason);
  command.action(() => {
    throw new BayError("UNSUPPORTED_COMMAND", `bay ${name} is not supported: ${reason}`);
  });
}

export const REFUSED_COMMANDS = new Map<string, string>();

export const tableOrJson = () =>
  new Option("--format <format>", "table or json").choices(["table", "json"]).default("table");

export const pruneFilter = () =>
  new Option("--filter <filter>", "filter, can be repeated: until=24h, label=KEY[=VALUE]").argParser(collect);

/** What --dry-run is for the commands that docker compose has: shown, of no effect as nothing is changed, or refused. */
const DRY_RUN: Readonly<Record<string, "shows" | "reads" | "refused">> = {
  ...Object.fromEntries(
    [
      "up",
      "create",
      "scale",
      "down",
      "start",
      "stop",
      "restart",
      "kill",
      "pause",
      "unpause",
      "rm",
      "rollback",
      "build",
      "pull",
      "push",
      "cp",
      "watch",
    ].map((name) => [name, "shows" as const]),
  ),
  ...Object.fromEntries(
    ["config", "events", "images", "logs", "ls", "port", "ps", "stats", "top", "version", "volumes"].map(
      (name) => [name, "reads" as const],
    ),
  ),
  ...Object.fromEntries(
    ["attach", "commit", "exec", "export", "run", "wait"].map((name) => [name, "refused" as const]),
  ),
};

const dryRunOf = (name: string, parent: Command) => (parent.parent === null ? DRY_RUN[name] : undefined);

type Handler<Options> = (context: Context, args: string[], options: Options) => Promise<unknown>;

/** Adds a command whose arguments are all words; if the handler returns a number, it is the exit code. */
export type Add = <Options>(
  usage: string,
  description: string,
  configure: (command: Command) => Command,
  load: () => Promise<Handler<Options>>,
) => Command;

/** A placeholder for a command that was not added because another one runs. */
const NOT_ADDED = new Command();

/** A placeholder for a group of commands that was not added. */
export const addNothing: Add = () => NOT_ADDED;

/** Adds commands to the program, or only the one named `only`: creating all of them takes longer than running one. */
export function adder(
  program: Command,
  context: () => Context,
  setExitCode: (code: number) => void,
  only?: string,
): Add {
  return (usage, description, configure, load) => {
    if (only !== undefined && only !== usage.split(" ", 1)[0]) return NOT_ADDED;
    const command = configure(program.command(usage).description(description));
    command.exitOverride();
    const own = dryRunOf(command.name(), program);
    if (own !== undefined && !command.options.some(({ long }) => long === "--dry-run"))
      command.addOption(
        new Option("--dry-run", "show what would be done without doing it").hideHelp(own !== "shows"),
      );
    return command.action(async (...given: unknown[]) => {
      const words = given
        .slice(0, -2)
        .flat()
        .filter((word): word is string => typeof word === "string");
      const shared = context();
      const options = given.at(-2) as { dryRun?: boolean };
      shared.options.dryRun ||= options.dryRun;
      if (shared.options.dryRun && (own === undefined || own === "refused"))
        throw new BayError("UNSUPPORTED_OPTION", `bay ${command.name()} has no --dry-run`, {
          hint: "bay plan shows what bay up would do",
        });
      const handler = await load();
      const code = await handler(shared, words, options as never);
      if (typeof code === "number") setExitCode(code);
    });
  };
}
