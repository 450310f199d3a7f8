/** Commands on a stack's containers. Each loads what it does when it is called. */
import { type Command, Option } from "commander";
import { type Add, collect, secondsOption, whole } from "./add.ts";

/** docker compose has it in both cases of letters. */
const noTty = (c: Command) =>
  c.option("-T, --no-tty", "without a terminal").addOption(new Option("--no-TTY").hideHelp());

export function addContainerCommands(add: Add): void {
  add(
    "exec <service> <command...>",
    "run a command in a running container",
    (c) =>
      noTty(c)
        .passThroughOptions()
        .option("-i, --interactive", "keep input open (the default)")
        .option("-t, --tty", "with a terminal (the default on one)")
        .option("-d, --detach", "do not wait")
        .option("-u, --user <user>", "as this user")
        .option("-w, --workdir <folder>", "in this folder")
        .option("-e, --env <name=value>", "with a variable", collect)
        .option("--index <number>", "in this container of the service", whole)
        .option("--privileged", "with all capabilities")
        .option("--detach-keys <keys>", "leave the terminal by these (ctrl-p,ctrl-q)"),
    async () => (await import("../commands/containers/exec.ts")).exec,
  );
  add(
    "run <service> [command...]",
    "run a one-off command in a new container of a service",
    (c) =>
      noTty(c)
        .passThroughOptions()
        .option("--rm", "remove the container at its end")
        .option("-d, --detach", "do not wait")
        .option("-i, --interactive", "keep input open (the default)")
        .option("-t, --tty", "with a terminal (the default on one)")
        .option("-e, --env <name=value>", "with a variable", collect)
        .option("-v, --volume <mount>", "with a mount", collect)
        .option("-p, --publish <port>", "with a published port", collect)
        .option("--name <name>", "the container's name")
        .option("--entrypoint <command>", "another entry point")
        .option("-u, --user <user>", "as this user")
        .option("-w, --workdir <folder>", "in this folder")
        .option("-P, --service-ports", "with the service's published ports")
        .option("--use-aliases", "with the service's names on its networks")
        .option("--cap-add <capability>", "with a capability, again for more", collect)
        .option("--cap-drop <capability>", "without a capability, again for more", collect)
        .option("--env-from-file <file>", "with the variables of a file, again for more", collect)
        .option("-l, --label <name=value>", "with a label, again for more", collect)
        .option("--build", "build its image first, also one that is current")
        .addOption(
          new Option("--pull <policy>", "pull its image so, whatever the service says").choices([
            "always",
            "missing",
            "never",
          ]),
        )
        .option("-q, --quiet", "show no progress")
        .option("--quiet-build", "show no progress of builds")
        .option("--quiet-pull", "show no progress of pulls")
        .option("--remove-orphans", "remove containers of services that the file no longer has")
        .option("--no-deps", "do not start what it needs")
        .option("--detach-keys <keys>", "leave the terminal by these (ctrl-p,ctrl-q)"),
    async () => (await import("../commands/containers/run.ts")).run,
  );
  const lifecycle = async () => await import("../commands/containers/lifecycle.ts");
  add(
    "stop [services...]",
    "stop containers",
    (c) => c.addOption(secondsOption()),
    async () => (await lifecycle()).stop,
  );
  add(
    "start [services...]",
    "start stopped containers",
    (c) =>
      c
        .option("--wait", "return when they are running and healthy")
        .option("--wait-timeout <seconds>", "give --wait up after this time", whole),
    async () => (await lifecycle()).start,
  );
  add(
    "restart [services...]",
    "restart containers",
    (c) => c.option("--no-deps", "leave the services alone that depend on them").addOption(secondsOption()),
    async () => (await lifecycle()).restart,
  );
  add(
    "kill [services...]",
    "send a signal",
    (c) =>
      c
        .option("-s, --signal <signal>", "the signal", "SIGKILL")
        .option("--remove-orphans", "remove containers of services that the file no longer has"),
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
        .option("-v, --volumes", "with their anonymous volumes")
        .option("-a, --all", "also containers of bay run (the default)"),
    async () => (await lifecycle()).rm,
  );
  add(
    "wait <services...>",
    "wait for the end, and exit with the code of the first",
    (c) => c.option("--down-project", "remove the stack when the first container ends"),
    async () => (await lifecycle()).wait,
  );
  add(
    "attach <service>",
    "join a container's terminal or output",
    (c) =>
      c
        .option("--index <number>", "this container of the service", whole)
        .option("--no-stdin", "only look")
        .addOption(
          new Option("--sig-proxy <on>", "pass signals on to the container: true or false")
            .choices(["true", "false"])
            .preset("true")
            .default("true"),
        )
        .option("--detach-keys <keys>", "leave the terminal by these (ctrl-p,ctrl-q)"),
    async () => (await import("../commands/containers/attach.ts")).attach,
  );
  add(
    "cp <source> <target>",
    "copy files: SERVICE:PATH and a local path, either way; - is a tar stream",
    (c) =>
      c
        .option("--index <number>", "this container of the service", whole)
        .option("--all", "also containers of bay run")
        .option("-L, --follow-link", "copy what a symbolic link points to")
        .option("-a, --archive", "keep owners"),
    async () => (await import("../commands/containers/cp.ts")).cp,
  );
  add(
    "commit <service> [image]",
    "make an image of a service's container as it is",
    (c) =>
      c
        .option("-a, --author <name>", "kept in the image")
        .option("-m, --message <text>", "kept in the image's history")
        .option(
          "-c, --change <instruction>",
          "an instruction for the image's config, again for more",
          collect,
        )
        .option("-p, --pause", "pause the container meanwhile (the default)")
        .option("--no-pause", "let it run meanwhile")
        .option("--index <number>", "this container of the service", whole),
    async () => (await import("../commands/containers/container.ts")).commit,
  );
  add(
    "export <service>",
    "write a tar of a container's file system, without its volumes",
    (c) =>
      c
        .option("-o, --output <file>", "write here and not to standard output")
        .option("--index <number>", "this container of the service", whole),
    async () => (await import("../commands/containers/container.ts")).exportContainer,
  );
}
