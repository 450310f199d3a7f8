/** Candidates at the cursor of a command line: names, options, values, and whether files are possible. */
import type { Command, Option } from "commander";
import type { Context } from "../context.ts";
import type { Names } from "./names.ts";
import { pathsOf, wordsOf } from "./option-values.ts";
import { type Position, positionOf } from "./position.ts";

export interface Candidate {
  text: string;
  description?: string;
}

export interface Candidates {
  words: Candidate[];
  files: "none" | "files" | "folders";
}

const NONE: Candidates = { words: [], files: "none" };
const FILES: Candidates = { words: [], files: "files" };
const listed = (words: readonly string[]): Candidates => ({
  words: words.map((text) => ({ text })),
  files: "none",
});

/** Arguments that are the same on every host, by command and argument. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  "daemon what": ["run", "install", "uninstall", "stop", "status", "reload"],
  "completion shell": ["bash", "zsh", "fish", "install", "uninstall"],
};

/** Commands that take the name of any container in place of a service. */
const ON_CONTAINERS = new Set(
  "attach commit cp exec export kill logs pause port restart rm start stats stop top unpause wait".split(" "),
);

/** `names` looks up names on this host and in the stack's file. */
export async function candidatesAt(
  program: Command,
  words: readonly string[],
  cursor: string,
  names: (context: () => Context) => Names,
  context: () => Context,
): Promise<Candidates> {
  const position = positionOf(program, words, cursor);
  const found = await candidatesOf(program, position, names(context));
  const start = "word" in position ? position.word : "";
  const before = position.kind === "value" ? position.before : "";
  return {
    files: found.files,
    words: found.words
      .filter(({ text }) => text.startsWith(start))
      .map(({ text, ...rest }) => ({ text: before + text, ...rest })),
  };
}

async function candidatesOf(program: Command, position: Position, names: Names): Promise<Candidates> {
  switch (position.kind) {
    case "nothing":
      return NONE;
    case "foreign":
      return FILES;
    case "subcommand":
      return { words: shownCommands(position.command), files: "none" };
    case "option":
      return { words: shownOptions(position.command), files: "none" };
    case "value":
      return valuesOf(position.option, position.command, names);
    case "argument":
      return argumentsOf(position, program, names);
  }
}

const shownCommands = (command: Command): Candidate[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .map((one) => ({ text: one.name(), description: one.description() }));

const shownOptions = (command: Command): Candidate[] =>
  command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long, short, description }) =>
      [long, short].filter((text) => typeof text === "string").map((text) => ({ text, description })),
    );

async function valuesOf(option: Option, command: Command, names: Names): Promise<Candidates> {
  const flag = option.long ?? option.short ?? "";
  if (option.argChoices) return listed(option.argChoices);
  const parent = command.parent?.name();
  const group = parent === "gitops" || parent === "host" ? parent : command.name();
  const files = pathsOf(flag, command.parent === null) ?? "none";
  return { ...listed((await wordsOf(group, flag, names)) ?? []), files };
}

/** Groups of commands whose argument `name` is one of these. */
const GROUPS: Readonly<Record<string, (names: Names) => Promise<string[]>>> = {
  gitops: (names) => names.sources(),
  host: (names) => names.hosts(),
};

async function argumentsOf(
  { argument, command, word }: Extract<Position, { kind: "argument" }>,
  program: Command,
  names: Names,
): Promise<Candidates> {
  const name = argument.name();
  const fixed = CHOICES[`${command.name()} ${name}`];
  if (fixed) return listed(fixed);
  const isOfStack = command.parent === program;
  /** Services; a container's name where no service fits. */
  const servicesOrContainers = async () => {
    const services = await names.services();
    const isService = services.some((service) => service.startsWith(word));
    return isService || !ON_CONTAINERS.has(command.name()) ? services : names.containers();
  };
  switch (name) {
    case "service":
    case "services":
      return listed(await servicesOrContainers());
    case "service=count":
      return listed((await names.services()).map((service) => `${service}=`));
    case "image":
    case "images":
      return listed(await names.images());
    case "name":
    case "host":
    case "hosts": {
      const group = GROUPS[command.parent?.name() ?? ""];
      // a new source or host has a name of its own
      return group && command.name() !== "add" ? listed(await group(names)) : NONE;
    }
    case "container":
    case "names":
      return listed([...(await names.services()), ...(await names.containers())]);
    case "volumes":
    case "volume":
      return listed(await names.volumes());
    case "networks":
      return listed(await names.networks());
    case "source":
    case "target":
      if (command.name() !== "cp") return FILES;
      return {
        words: (isOfStack ? await servicesOrContainers() : await names.containers()).map((each) => ({
          text: `${each}:`,
        })),
        files: "files",
      };
    case "codes": {
      const { ERROR_CODES } = await import("../../core/error-codes/table.ts");
      return listed(Object.keys(ERROR_CODES));
    }
    case "contextname":
    case "contextnames":
      return listed(await names.contexts());
    case "planfile":
    case "context":
    case "file":
      return FILES;
    default:
      return NONE;
  }
}
