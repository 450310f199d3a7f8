/** The command line: every command with its options and help; what a command does is loaded when it is called. */
import { Command, InvalidArgumentError, Option } from "commander";
import { BayError, messageOf } from "../errors.ts";
import { VERSION } from "../version.ts";
import { Context, type GlobalOptions } from "./context.ts";

const collect = (value: string, previous: string[] = []) => [...previous, value];

function whole(value: string): number {
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError("expected a whole number");
  return Number(value);
}

const secondsOption = () => new Option("-t, --timeout <seconds>", "grace before SIGKILL").argParser(whole);

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
    await printError(error);
    return 1;
  }
  return exitCode;
}

async function printError(error: unknown): Promise<void> {
  if (!(error instanceof BayError)) {
    process.stderr.write(
      `error: ${error instanceof Error ? (process.env.BAY_DEBUG ? error.stack : messageOf(error)) : String(error)}\n`,
    );
    return;
  }
  const isReady = error.code === "BAD_STACK_FILE"; // it carries its own places and labels
  process.stderr.write(
    `${isReady ? "" : "error: "}${isReady ? error.message : messageOf(error)}\n${error.hint ? `  ${error.hint}\n` : ""}`,
  );
  if (process.env.BAY_DEBUG) process.stderr.write(`${error.stack}\n`);
}

function build(setExitCode: (code: number) => void): Command {
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
  type Handler<Options> = (context: Context, args: string[], options: Options) => Promise<unknown>;
  /** Adds a command whose arguments are all words. */
  const add = <Options>(
    usage: string,
    description: string,
    configure: (command: Command) => Command,
    load: () => Promise<Handler<Options>>,
  ): Command => {
    const command = configure(program.command(usage).description(description));
    command.exitOverride();
    return command.action(async (...given: unknown[]) => {
      const words = given
        .slice(0, -2)
        .flat()
        .filter((word): word is string => typeof word === "string");
      const handler = await load();
      const code = await handler(context(), words, given.at(-2) as Options);
      if (typeof code === "number") setExitCode(code);
    });
  };

  add(
    "up [services...]",
    "make the host as the file says",
    (c) =>
      c
        .option("-d, --detach", "return when everything is started")
        .option("--wait", "return when everything is running and healthy; implies -d")
        .option("--wait-timeout <seconds>", "give --wait up after this time", whole)
        .option("--dry-run", "show the plan and change nothing")
        .option("--remove-orphans", "remove containers of services that the file no longer has")
        .option("--force-recreate", "replace containers that have not changed, too")
        .option("--no-recreate", "leave containers that exist as they are")
        .option("--scale <service=count>", "run so many containers of a service", collect)
        .option("--no-deps", "leave the services alone that the named ones need")
        .option("--no-start", "make the containers and do not start them")
        .option("--abort-on-container-exit", "stop all when one ends")
        .option(
          "--exit-code-from <service>",
          "exit with this service's code; implies --abort-on-container-exit",
        )
        .option("--attach <service>", "show only this service's logs", collect)
        .option("--no-log-prefix", "show logs without names")
        .option("-V, --renew-anon-volumes", "give replaced containers new anonymous volumes")
        .option("--no-repair", "start bayd without repair of drift")
        .addOption(secondsOption()),
    async () => (await import("./commands/up.ts")).up,
  );
  add(
    "create [services...]",
    "make containers and do not start them",
    (c) =>
      c
        .option("--force-recreate")
        .option("--remove-orphans")
        .option("--scale <service=count>", "number of containers", collect),
    async () => (await import("./commands/up.ts")).create,
  );
  add(
    "down",
    "remove the stack's containers and networks",
    (c) =>
      c
        .option("-v, --volumes", "remove its volumes and their contents too")
        .option("--rmi <which>", "remove images: all, or local for those made by bay")
        .option("--remove-orphans", "also services that the file no longer has")
        .addOption(secondsOption()),
    async () => (await import("./commands/down.ts")).down,
  );
  add(
    "plan [services...]",
    "show how the host differs from the file",
    (c) =>
      c
        .option("--detailed-exitcode", "0: nothing to do, 2: changes, 1: error")
        .option("--json", "the plan as JSON")
        .option("-o, --output <file>", "keep the plan for bay apply")
        .option("--remove-orphans")
        .option("--force-recreate")
        .option("--scale <service=count>", "number of containers", collect)
        .option("--no-deps"),
    async () => (await import("./commands/plan.ts")).plan,
  );
  add(
    "apply <planfile>",
    "carry out a kept plan, if the host is still as it was",
    (c) => c,
    async () => (await import("./commands/plan.ts")).apply,
  );
  add(
    "ps [services...]",
    "list containers",
    (c) =>
      c
        .option("-a, --all", "those that ended too")
        .option("-q, --quiet", "only IDs")
        .option("--services", "only service names")
        .option("--filter <filter>", "status=running, service=web", collect)
        .addOption(
          new Option("--format <format>", "table or json").choices(["table", "json"]).default("table"),
        ),
    async () => (await import("./commands/ps.ts")).ps,
  );
  add(
    "logs [services...]",
    "show output",
    (c) =>
      c
        .option("-f, --follow", "go on")
        .option("-t, --timestamps", "with times")
        .option("-n, --tail <lines>", "the last lines of each", "all")
        .option("--since <time>", "from a time or 10m ago")
        .option("--until <time>", "up to a time")
        .option("--no-log-prefix", "without names")
        .option("--no-color", "without colours"),
    async () => (await import("./commands/logs.ts")).logs,
  );
  add(
    "exec <service> <command...>",
    "run a command in a running container",
    (c) =>
      c
        .passThroughOptions()
        .option("-i, --interactive", "keep input open (the default)")
        .option("-t, --tty", "with a terminal (the default on one)")
        .option("-T, --no-tty", "without a terminal")
        .option("-d, --detach", "do not wait")
        .option("-u, --user <user>", "as this user")
        .option("-w, --workdir <folder>", "in this folder")
        .option("-e, --env <name=value>", "with a variable", collect)
        .option("--index <number>", "in this container of the service", whole)
        .option("--privileged", "with all capabilities"),
    async () => (await import("./commands/exec.ts")).exec,
  );
  add(
    "run <service> [command...]",
    "run a one-off command in a new container of a service",
    (c) =>
      c
        .passThroughOptions()
        .option("--rm", "remove the container at its end")
        .option("-d, --detach", "do not wait")
        .option("-T, --no-tty", "without a terminal")
        .option("-i, --interactive", "keep input open (the default)")
        .option("-e, --env <name=value>", "with a variable", collect)
        .option("-v, --volume <mount>", "with a mount", collect)
        .option("-p, --publish <port>", "with a published port", collect)
        .option("--name <name>", "the container's name")
        .option("--entrypoint <command>", "another entry point")
        .option("-u, --user <user>", "as this user")
        .option("-w, --workdir <folder>", "in this folder")
        .option("-P, --service-ports", "with the service's published ports")
        .option("--no-deps", "do not start what it needs"),
    async () => (await import("./commands/run.ts")).run,
  );
  const lifecycle = async () => await import("./commands/lifecycle.ts");
  add(
    "stop [services...]",
    "stop containers",
    (c) => c.addOption(secondsOption()),
    async () => (await lifecycle()).stop,
  );
  add(
    "start [services...]",
    "start stopped containers",
    (c) => c,
    async () => (await lifecycle()).start,
  );
  add(
    "restart [services...]",
    "restart containers",
    (c) => c.addOption(secondsOption()),
    async () => (await lifecycle()).restart,
  );
  add(
    "kill [services...]",
    "send a signal",
    (c) => c.option("-s, --signal <signal>", "the signal", "SIGKILL"),
    async () => (await lifecycle()).kill,
  );
  add(
    "pause [services...]",
    "freeze containers",
    (c) => c,
    async () => (await lifecycle()).pause,
  );
  add(
    "unpause [services...]",
    "let frozen containers go on",
    (c) => c,
    async () => (await lifecycle()).unpause,
  );
  add(
    "rm [services...]",
    "remove stopped containers",
    (c) =>
      c
        .option("-f, --force", "without asking")
        .option("-s, --stop", "stop them first")
        .option("-v, --volumes", "with their anonymous volumes"),
    async () => (await lifecycle()).rm,
  );
  add(
    "wait <services...>",
    "wait for the end, and exit with the code of the first",
    (c) => c,
    async () => (await lifecycle()).wait,
  );
  add(
    "attach <service>",
    "join a container's terminal or output",
    (c) =>
      c.option("--index <number>", "this container of the service", whole).option("--no-stdin", "only look"),
    async () => (await import("./commands/attach.ts")).attach,
  );
  add(
    "top [services...]",
    "show processes",
    (c) => c,
    async () => (await import("./commands/top.ts")).top,
  );
  add(
    "stats [services...]",
    "show use of CPU, memory and network",
    (c) =>
      c
        .option("--no-stream", "once")
        .addOption(
          new Option("--format <format>", "table or json").choices(["table", "json"]).default("table"),
        )
        .option("-a, --all"),
    async () => (await import("./commands/stats.ts")).stats,
  );
  add(
    "port <service> <port>",
    "show where a port is published",
    (c) =>
      c
        .option("--protocol <protocol>", "tcp or udp", "tcp")
        .option("--index <number>", "this container of the service", whole),
    async () => (await import("./commands/port.ts")).port,
  );
  add(
    "cp <source> <target>",
    "copy files: SERVICE:PATH and a local path, either way; - is a tar stream",
    (c) =>
      c
        .option("--index <number>", "this container of the service", whole)
        .option("-a, --archive", "keep owners"),
    async () => (await import("./commands/cp.ts")).cp,
  );
  add(
    "images [services...]",
    "list the images that containers use",
    (c) =>
      c
        .option("-q, --quiet", "only IDs")
        .addOption(
          new Option("--format <format>", "table or json").choices(["table", "json"]).default("table"),
        ),
    async () => (await import("./commands/images.ts")).images,
  );
  add(
    "events [services...]",
    "show what happens",
    (c) =>
      c
        .option("--json", "as JSON lines")
        .option("--since <time>", "from a time")
        .option("--until <time>", "up to a time"),
    async () => (await import("./commands/events.ts")).events,
  );
  add(
    "config [what]",
    "check the file and show what it means; `config schema` prints the JSON Schema",
    (c) =>
      c
        .option("-q, --quiet", "only check")
        .addOption(new Option("--format <format>", "yaml or json").choices(["yaml", "json"]).default("yaml"))
        .option("--json", "as JSON")
        .option("--services", "only service names")
        .option("--images", "only image names")
        .option("--volumes", "only volume names")
        .option("--networks", "only network names"),
    async () => (await import("./commands/config.ts")).config,
  );
  add(
    "ls",
    "list stacks",
    (c) =>
      c
        .option("-a, --all", "those that do not run too")
        .option("-q, --quiet", "only names")
        .addOption(
          new Option("--format <format>", "table or json").choices(["table", "json"]).default("table"),
        ),
    async () => (await import("./commands/ls.ts")).ls,
  );
  add(
    "inspect <names...>",
    "show all about containers, by service or name",
    (c) => c,
    async () => (await import("./commands/inspect.ts")).inspect,
  );
  add(
    "doctor",
    "say what this host lacks",
    (c) =>
      c.addOption(
        new Option("--format <format>", "table or json").choices(["table", "json"]).default("table"),
      ),
    async () => (await import("./commands/doctor.ts")).doctor,
  );
  add(
    "daemon <what>",
    "run, install (as a systemd unit), uninstall, stop or status of bayd",
    (c) =>
      c
        .option("--no-repair", "do not repair drift")
        .option("--group <name>", "let this group use the socket"),
    async () => (await import("./commands/daemon.ts")).daemon,
  );
  add(
    "version",
    "show versions",
    (c) =>
      c
        .addOption(new Option("--format <format>", "text or json").choices(["text", "json"]).default("text"))
        .option("--short", "only the number"),
    async () => (await import("./commands/version.ts")).version,
  );
  add(
    "completion <shell>",
    "print a completion script for bash, zsh or fish",
    (c) => c,
    async () => {
      const { completion } = await import("./commands/completion.ts");
      return (_context: Context, args: string[]) => completion(program, args);
    },
  );
  return program;
}
