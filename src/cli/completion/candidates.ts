/** Candidates at the cursor of a command line: names, options, values, and whether files are possible. */
import type { Command, Option } from "commander";
import type { Context } from "../context.ts";
import type { Names } from "./names.ts";
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

/** Values that are the same on every host, by command and argument. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  "daemon what": ["run", "install", "uninstall", "stop", "status", "reload"],
  "completion shell": ["bash", "zsh", "fish", "install", "uninstall"],
  "down --rmi": ["all", "local"],
  "ps --status": ["created", "running", "paused", "restarting", "exited", "dead"],
  "port --protocol": ["tcp", "udp"],
  "kill --signal": ["SIGHUP", "SIGINT", "SIGKILL", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"],
  "build --provenance": ["false"],
  "build --sbom": ["false"],
  "pull --policy": ["always", "missing"],
};

/** Options whose value is a file or a directory, for every command. */
const FILE_OPTIONS = new Set([
  "--file",
  "--env-file",
  "--output",
  "--input",
  "--iidfile",
  "--metadata-file",
  "--env-from-file",
  "--tlscacert",
  "--tlscert",
  "--tlskey",
]);
const FOLDER_OPTIONS = new Set(["--project-directory", "--root", "--run", "--workdir"]);
const SERVICE_OPTIONS = new Set(["--attach", "--no-attach", "--exit-code-from", "--rerun", "--hash"]);

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
      return argumentsOf(position.argument.name(), position.command, program, names);
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
  const fixed = CHOICES[`${command.name()} ${flag}`];
  if (fixed) return listed(fixed);
  if (flag === "--format") return listed(["table", "json"]);
  if (FOLDER_OPTIONS.has(flag) && !(flag === "--workdir" && command.parent !== null))
    return { words: [], files: "folders" };
  if (FILE_OPTIONS.has(flag)) return FILES;
  if (SERVICE_OPTIONS.has(flag)) return listed(await names.services());
  if (flag === "--scale") return listed((await names.services()).map((name) => `${name}=`));
  if (flag === "--profile") return listed(await names.profiles());
  if (flag === "--context") return listed(await names.contexts());
  if (flag === "--host") return listed(["unix://", "tcp://", "ssh://"]);
  if (flag === "--project-name") return listed(await names.stacks());
  return NONE;
}

async function argumentsOf(
  argument: string,
  command: Command,
  program: Command,
  names: Names,
): Promise<Candidates> {
  const fixed = CHOICES[`${command.name()} ${argument}`];
  if (fixed) return listed(fixed);
  const isOfStack = command.parent === program;
  switch (argument) {
    case "service":
    case "services":
      return listed(await names.services());
    case "service=count":
      return listed((await names.services()).map((name) => `${name}=`));
    case "image":
    case "images":
      return listed(await names.images());
    case "container":
    case "names":
      return listed([...(await names.services()), ...(await names.containers())]);
    case "volumes":
      return listed(await names.volumes());
    case "networks":
      return listed(await names.networks());
    case "source":
    case "target":
      if (command.name() !== "cp") return FILES;
      return {
        words: (isOfStack ? await names.services() : await names.containers()).map((name) => ({
          text: `${name}:`,
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
      return FILES;
    default:
      return NONE;
  }
}
