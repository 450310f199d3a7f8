/** `bay container …`: docker's commands on one container, of any stack or of none, by its name or ID. */
import { type Command, Option } from "commander";
import { type Add, collect, formatOption, pruneFilter, secondsOption, tableOrJson, whole } from "./add.ts";

const keys = (c: Command) =>
  c.option("--detach-keys <keys>", "keys that detach from the container (ctrl-p,ctrl-q)");
const plain = (c: Command) => c;

/** Limits that change while a container runs: those of docker update. */
const limits = (c: Command) =>
  c
    .option("-m, --memory <size>", "memory limit")
    .option("--memory-reservation <size>", "soft memory limit")
    .option("--memory-swap <size>", "limit of memory and swap; -1 for no limit")
    .option("--cpus <number>", "number of CPUs")
    .option("--cpu-period <microseconds>", "period of --cpu-quota", whole)
    .option("--cpu-quota <microseconds>", "CPU time in each period", whole)
    .option("-c, --cpu-shares <number>", "relative weight", whole)
    .option("--cpuset-cpus <cpus>", "CPUs, such as 0-2")
    .option("--pids-limit <number>", "most processes; -1 for no limit")
    .option("--restart <policy>", "no, always, unless-stopped or on-failure[:N]");

export function addContainerVerbs(container: Add): void {
  const own = async () => await import("../commands/containers/by-name.ts");
  const lifecycle = async () => await import("../commands/containers/lifecycle.ts");
  container(
    "ls",
    "list containers of all stacks and of none",
    (c) =>
      c
        .option("-a, --all", "include containers that do not run")
        .option("-n, --last <number>", "the newest ones, in any state", whole)
        .option("-s, --size", "show the size of their writable layers")
        .option("-q, --quiet", "print IDs only")
        .option("--no-trunc", "do not shorten IDs and commands")
        .option("--filter <filter>", "filter, can be repeated: status=exited, label=KEY[=VALUE]", collect)
        .addOption(formatOption()),
    async () => (await own()).list,
  );
  container(
    "start <containers...>",
    "start containers",
    (c) =>
      keys(c)
        .option("-a, --attach", "attach to its output, and exit with its exit code")
        .option("-i, --interactive", "attach to its input too"),
    async () => (await own()).start,
  );
  container(
    "stop <containers...>",
    "stop containers",
    (c) => c.addOption(secondsOption()),
    async () => (await own()).byName((await lifecycle()).stop),
  );
  container(
    "restart <containers...>",
    "restart containers",
    (c) => c.addOption(secondsOption()),
    async () => (await own()).byName((await lifecycle()).restart),
  );
  container(
    "kill <containers...>",
    "send a signal to containers",
    (c) => c.option("-s, --signal <signal>", "the signal", "SIGKILL"),
    async () => (await own()).byName((await lifecycle()).kill),
  );
  container("pause <containers...>", "pause containers", plain, async () =>
    (await own()).byName((await lifecycle()).pause),
  );
  container("unpause <containers...>", "resume paused containers", plain, async () =>
    (await own()).byName((await lifecycle()).unpause),
  );
  container(
    "rm <containers...>",
    "remove containers",
    (c) =>
      c
        .option("-f, --force", "kill running containers first")
        .option("-v, --volumes", "remove their anonymous volumes too"),
    async () => (await own()).remove,
  );
  container(
    "prune",
    "remove all containers that do not run",
    (c) => c.option("-f, --force", "do not ask for confirmation").addOption(pruneFilter()),
    async () => (await import("../commands/system/disk.ts")).pruneContainers,
  );
  container(
    "update <containers...>",
    "change limits and the restart policy",
    limits,
    async () => (await own()).update,
  );
  container(
    "wait <containers...>",
    "wait until containers stop, and print their exit codes",
    plain,
    async () => (await own()).byName((await own()).wait),
  );
  addStreams(container);
}

/** Commands that show a container, or connect to it. */
function addStreams(container: Add): void {
  const byName = async () => (await import("../commands/containers/by-name.ts")).byName;
  container(
    "attach <container>",
    "attach to a container's terminal or output",
    (c) =>
      keys(c)
        .option("--no-stdin", "do not attach standard input")
        .addOption(
          new Option("--sig-proxy [on]", "forward signals to the container: true or false")
            .choices(["true", "false"])
            .default("true"),
        ),
    async () => (await byName())((await import("../commands/containers/attach.ts")).attach),
  );
  container(
    "exec <container> <command...>",
    "run a command in a running container",
    (c) =>
      keys(c)
        .passThroughOptions()
        .option("-i, --interactive", "keep input open (the default)")
        .option("-t, --tty", "allocate a terminal (the default if the command runs on one)")
        .option("-T, --no-tty", "do not allocate a terminal")
        .option("-d, --detach", "run in the background")
        .option("-u, --user <user>", "user that runs the command")
        .option("-w, --workdir <folder>", "working directory")
        .option("-e, --env <name=value>", "set an environment variable", collect)
        .option("--privileged", "give the command all capabilities"),
    async () => (await byName())((await import("../commands/containers/exec.ts")).exec),
  );
  container(
    "logs <container>",
    "show a container's output",
    (c) =>
      c
        .option("-f, --follow", "continue with new output")
        .option("-t, --timestamps", "show the times")
        .option("-n, --tail <lines>", "number of lines from the end, or all", "all")
        .option("--since <time>", "a time, or an age such as 10m")
        .option("--until <time>", "a time, or an age such as 10m"),
    async () => {
      const { logs } = await import("../commands/containers/logs.ts");
      // as docker logs, without the name before each line
      type Options = Parameters<typeof logs>[2];
      return (await byName())((context, names, options: Options) =>
        logs(context, names, { ...options, logPrefix: false }),
      );
    },
  );
  container(
    "top <container>",
    "list the processes of a container",
    (c) => c.addOption(tableOrJson()),
    async () => (await byName())((await import("../commands/containers/top.ts")).top),
  );
  container(
    "stats <containers...>",
    "show the use of CPU, memory and I/O",
    (c) =>
      c
        .option("--no-stream", "show it once")
        .option("--no-trunc", "do not shorten IDs")
        .option("-a, --all", "include containers that do not run")
        .addOption(formatOption()),
    async () => (await byName())((await import("../commands/containers/stats.ts")).stats),
  );
  container(
    "port <container> [port]",
    "show published ports",
    (c) => c,
    async () => (await byName())((await import("../commands/containers/by-name.ts")).port),
  );
  container(
    "inspect <containers...>",
    "show details of containers as JSON",
    (c) => c.option("-f, --format <format>", "json, or a Go template: '{{.State.Status}}'"),
    async () => (await byName())((await import("../commands/containers/inspect.ts")).inspect),
  );
}
