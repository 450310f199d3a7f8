/** Commands on a stack's containers. Each loads what it does when it is called. */
import { type Add, collect, secondsOption, whole } from "./add.ts";

export function addContainerCommands(add: Add): void {
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
        .option("--privileged", "with all capabilities")
        .option("--detach-keys <keys>", "leave the terminal by these (ctrl-p,ctrl-q)"),
    async () => (await import("../commands/exec.ts")).exec,
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
        .option("--no-deps", "do not start what it needs")
        .option("--detach-keys <keys>", "leave the terminal by these (ctrl-p,ctrl-q)"),
    async () => (await import("../commands/run.ts")).run,
  );
  const lifecycle = async () => await import("../commands/lifecycle.ts");
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
      c
        .option("--index <number>", "this container of the service", whole)
        .option("--no-stdin", "only look")
        .option("--detach-keys <keys>", "leave the terminal by these (ctrl-p,ctrl-q)"),
    async () => (await import("../commands/attach.ts")).attach,
  );
  add(
    "cp <source> <target>",
    "copy files: SERVICE:PATH and a local path, either way; - is a tar stream",
    (c) =>
      c
        .option("--index <number>", "this container of the service", whole)
        .option("-a, --archive", "keep owners"),
    async () => (await import("../commands/cp.ts")).cp,
  );
}
