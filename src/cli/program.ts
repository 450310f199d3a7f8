/** The command line: every command with its options and help; what a command does is loaded when it is called. */
import { Command, Option } from "commander";
import { VERSION } from "../version.ts";
import { Context, type GlobalOptions } from "./context.ts";
import { printError } from "./print-error.ts";
import { adder, collect } from "./register/add.ts";
import { addContainerCommands } from "./register/containers.ts";
import { addHostCommands } from "./register/host.ts";
import { addImageCommands } from "./register/images.ts";
import { addLookCommands } from "./register/look.ts";
import { addStackCommands } from "./register/stack.ts";
import { addSystemCommands } from "./register/system.ts";

/** Runs the command and gives its exit code. */
export async function main(argv: string[]): Promise<number> {
  let exitCode = 0;
  const program = build((code) => {
    exitCode = code;
  });
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  try {
    await program.parseAsync(argv);
  } catch (error) {
    const isUsage =
      error instanceof Error &&
      "exitCode" in error &&
      (error as { code?: string }).code?.startsWith("commander.");
    if (isUsage) return (error as unknown as { exitCode: number }).exitCode;
    printError(error);
    return 1;
  }
  return exitCode;
}

/** The program with all its commands; `setExitCode` is told the code of the one that ran. */
export function build(setExitCode: (code: number) => void): Command {
  const program = new Command("bay")
    .description("Stacks of containers from one YAML file: see what would change, make it so, keep it so.")
    .version(`bay ${VERSION}`, "-v, --version")
    .option("-f, --file <file>", "stack file, again for more; - is standard input", collect)
    .option("-p, --project-name <name>", "name of the stack")
    .option("--project-directory <folder>", "folder that relative paths are in")
    .option("--env-file <file>", "variables for the stack file, again for more", collect)
    .option("--profile <name>", "turn a profile on, again for more", collect)
    .addOption(new Option("--root <folder>", "where bay keeps its state").env("BAY_ROOT"))
    .addOption(new Option("--run <folder>", "where bay keeps sockets").env("BAY_RUN"))
    .exitOverride()
    .enablePositionalOptions()
    .showHelpAfterError("bay COMMAND --help shows the options");

  const context = () => new Context(program.opts<GlobalOptions>());
  const add = adder(program, context, setExitCode);
  const group = (name: string, description: string) =>
    adder(program.command(name).description(description).exitOverride(), context, setExitCode);
  program.commandsGroup("Stacks:");
  addStackCommands(add);
  program.commandsGroup("Containers:");
  addContainerCommands(add);
  program.commandsGroup("Images:");
  addImageCommands(add, group);
  program.commandsGroup("What is there:");
  addLookCommands(add);
  program.commandsGroup("bay and its host:");
  addHostCommands(add, program);
  addSystemCommands(group);
  return program;
}
