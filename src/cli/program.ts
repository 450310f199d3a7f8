/** The command line: every command with its options and help; a command's code is loaded when it is called. */
import { Command, InvalidArgumentError, Option } from "commander";
import { VERSION } from "../core/version.ts";
import { Context, type GlobalOptions } from "./context.ts";
import { plainFlags } from "./flag-values.ts";
import { exitCodeOf, printError } from "./print-error.ts";
import { adder, addNothing, collect, refuse } from "./register/add.ts";
import { addClusterCommands } from "./register/cluster.ts";
import { addContainerCommands } from "./register/containers.ts";
import { addContextCommands } from "./register/contexts.ts";
import { addGitopsCommands } from "./register/gitops.ts";
import { addHostCommands } from "./register/host.ts";
import { addImageCommands } from "./register/images.ts";
import { addLookCommands } from "./register/look.ts";
import { addStackCommands } from "./register/stack.ts";
import { addSystemCommands } from "./register/system.ts";
import { type Ansi, type ProgressStyle, setStyle } from "./ui/output.ts";

/** Runs the command and returns its exit code. */
export async function main(argv: string[]): Promise<number> {
  let exitCode = 0;
  const setExitCode = (code: number) => {
    exitCode = code;
  };
  const only = commandName(argv.slice(2));
  const small = only === undefined ? undefined : build(setExitCode, only);
  // aliases, misspelled names and help on another command need all commands
  const program = small?.commands.some((command) => command.name() === only) ? small : build(setExitCode);
  // a shell calls this for completion: the words after it are arguments of another command
  if (argv[2] === "__complete") {
    const { complete } = await import("./commands/system/completion.ts");
    await complete(
      program,
      argv.slice(3),
      () => new Context({ ...program.opts<GlobalOptions>(), isCompletion: true }),
    ).catch(() => {});
    return 0;
  }
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0); // the reader needs no more
    process.stderr.write(`error: standard output cannot be written: ${error.message}\n`);
    process.exit(1);
  });
  // bayd reads the stacks of repositories in a process of their own
  if (argv[2] === "__read-stack") {
    await (await import("../gitops/read/reader-process.ts")).readStackForGitops();
    return 0;
  }
  try {
    await program.parseAsync([...argv.slice(0, 2), ...plainFlags(program, argv.slice(2))]);
  } catch (error) {
    const isUsage =
      error instanceof Error &&
      "exitCode" in error &&
      (error as { code?: string }).code?.startsWith("commander.");
    if (isUsage) return (error as unknown as { exitCode: number }).exitCode;
    printError(error);
    return await exitCodeOf(error);
  }
  return exitCode;
}

/** Options before the command's name whose value is the next word. */
export const WITH_VALUE =
  /^(-f|-p|-H|-c|--(file|project-name|project-directory|env-file|profile|ansi|progress|parallel|workdir|root|run|host|context|tlscacert|tlscert|tlskey))$/;

/** The first word that is not an option: the command's name. */
export function commandName(words: readonly string[]): string | undefined {
  let at = 0;
  while (words[at]?.startsWith("-")) at += WITH_VALUE.test(words[at]!) ? 2 : 1;
  return words[at];
}

interface StyleOptions {
  ansi?: Ansi;
  progress?: ProgressStyle;
  workdir?: string;
}

function parallelism(text: string): number | undefined {
  if (text === "-1" || text === "") return undefined;
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return Math.min(number, 1000);
  throw new InvalidArgumentError("expected a whole number from 1, or -1");
}

/** The program with all its commands, or with `only` this one; `setExitCode` receives the exit code of the command. */
export function build(setExitCode: (code: number) => void, only?: string): Command {
  const program = new Command("bay")
    .description("Stacks of containers from one YAML file: plan changes, apply them, and keep them applied.")
    .version(`bay ${VERSION}`, "-v, --version")
    .option(
      "-f, --file <file>",
      "stack file, can be repeated; - is standard input; also a git repository or oci://",
      collect,
    )
    .option("-p, --project-name <name>", "name of the stack")
    .option("--project-directory <folder>", "base directory of relative paths")
    .option("--env-file <file>", "file with variables for the stack file, can be repeated", collect)
    .option("--profile <name>", "enable a profile, can be repeated", collect)
    .addOption(
      new Option("--ansi <when>", "use colours and cursor movement: auto, never or always")
        .choices(["auto", "never", "always"])
        .env("COMPOSE_ANSI"),
    )
    .addOption(
      new Option("--progress <style>", "how progress is shown: auto, tty, plain, json or quiet")
        .choices(["auto", "tty", "plain", "json", "quiet"])
        .env("COMPOSE_PROGRESS"),
    )
    .addOption(
      new Option("--parallel <number>", "maximum number of parallel steps, -1 for the default")
        .argParser(parallelism)
        .env("COMPOSE_PARALLEL_LIMIT"),
    )
    .option("--dry-run", "show what would be done without doing it")
    .option("--refresh", "fetch stack files of git repositories and registries again")
    .addOption(new Option("--workdir <folder>", "deprecated name of --project-directory").hideHelp())
    .option("-H, --host <address>", "address of bayd: unix://PATH, tcp://HOST:PORT or ssh://USER@HOST")
    .option("-c, --context <name>", "context that names the bayd to use")
    .option("--tls", "use TLS with a tcp:// host; without --tlsverify, its certificate is not checked")
    .option("--tlsverify", "use TLS with a tcp:// host, and check its certificate")
    .option("--tlscacert <file>", "CA certificate of the host (ca.pem)")
    .option("--tlscert <file>", "certificate of this client (cert.pem)")
    .option("--tlskey <file>", "key of this client (key.pem)")
    .addOption(new Option("--root <folder>", "directory of bay's state").env("BAY_ROOT"))
    .addOption(new Option("--run <folder>", "directory of bay's sockets").env("BAY_RUN"))
    .exitOverride()
    .enablePositionalOptions()
    .showHelpAfterError("bay COMMAND --help shows the options");

  refuse(program, "--compatibility", "containers are always named STACK-SERVICE-NUMBER");
  refuse(program, "--all-resources", "bay creates the networks and volumes that services use");
  refuse(program, "--verbose", "BAY_DEBUG=1 in the environment shows where an error comes from");

  const context = () => {
    const { ansi, progress, workdir, ...options } = program.opts<GlobalOptions & StyleOptions>();
    setStyle({ ...(ansi ? { ansi } : {}), ...(progress ? { progress } : {}) });
    return new Context({ ...options, projectDirectory: options.projectDirectory ?? workdir });
  };
  const add = adder(program, context, setExitCode, only);
  const group = (name: string, description: string) =>
    only === undefined || only === name
      ? adder(program.command(name).description(description).exitOverride(), context, setExitCode)
      : addNothing;
  program.commandsGroup("Stacks:");
  addStackCommands(add, program);
  addGitopsCommands(group);
  program.commandsGroup("Containers:");
  addContainerCommands(add);
  program.commandsGroup("Images:");
  addImageCommands(add, group, program);
  program.commandsGroup("Status and output:");
  addLookCommands(add);
  program.commandsGroup("System:");
  addHostCommands(add);
  addContextCommands(add, group);
  addSystemCommands(group);
  addClusterCommands(group);
  return program;
}
