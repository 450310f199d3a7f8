/** Commands on a stack's containers. Each loads its code when it is called. */
import { type Command, Option } from "commander";
import { type Add, claimOptions, collect, secondsOption, whole } from "./add.ts";
import { detachKeysOption, runOptions } from "./run-options.ts";
import { addImageOptions } from "./single-containers.ts";

/** docker compose accepts it in upper and lower case. */
const noTty = (c: Command) =>
  c.option("-T, --no-tty", "do not allocate a terminal").addOption(new Option("--no-TTY").hideHelp());

export function addContainerCommands(add: Add): void {
  add(
    "exec <service> <command...>",
    "run a command in a running container",
    (c) =>
      noTty(c)
        .passThroughOptions()
        .option("-i, --interactive", "keep input open (the default)")
        .option("-t, --tty", "allocate a terminal (the default if the command runs on one)")
        .option("-d, --detach", "run in the background")
        .option("-u, --user <user>", "user that runs the command")
        .option("-w, --workdir <folder>", "working directory")
        .option("-e, --env <name=value>", "set an environment variable", collect)
        .option("--index <number>", "number of the service's container", whole)
        .option("--privileged", "give the command all capabilities")
        .option(...detachKeysOption),
    async () => (await import("../commands/containers/exec.ts")).exec,
  );
  add(
    "run <service-or-image> [command...]",
    "run a one-off command in a new container of a service, or of an image that is not a service",
    (c) =>
      addImageOptions(
        claimOptions(runOptions(noTty(c)))
          .option("-i, --interactive", "keep input open (the default)")
          .option("-t, --tty", "allocate a terminal (the default if the command runs on one)")
          .option("-d, --detach", "run in the background")
          .option("-P, --service-ports", "publish the service's ports")
          .option("--use-aliases", "use the service's names on its networks")
          .option(
            "--env-from-file <file>",
            "read environment variables from a file, can be repeated",
            collect,
          )
          .option("--build", "build the service's image first, even if it is current")
          .addOption(
            new Option("--pull <policy>", "override pull_policy of the service").choices([
              "always",
              "missing",
              "never",
            ]),
          )
          .option("-q, --quiet", "hide progress")
          .option("--quiet-build", "hide the progress of builds")
          .option("--quiet-pull", "hide the progress of pulls")
          .option("--remove-orphans", "remove containers of services that are not in the file")
          .option("--no-deps", "do not start the service's dependencies")
          .option(...detachKeysOption)
          .addHelpText(
            "after",
            "\nWith an image, the other options of bay container run can be used too: bay container run --help.",
          ),
      ),
    async () => (await import("../commands/containers/run-either.ts")).runEither,
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
        .option("--wait", "wait until they are running and healthy")
        .option("--wait-timeout <seconds>", "maximum time to wait", whole),
    async () => (await lifecycle()).start,
  );
  add(
    "restart [services...]",
    "restart containers",
    (c) => c.option("--no-deps", "do not restart dependent services").addOption(secondsOption()),
    async () => (await lifecycle()).restart,
  );
  add(
    "kill [services...]",
    "send a signal to containers",
    (c) =>
      c
        .option("-s, --signal <signal>", "the signal", "SIGKILL")
        .option("--remove-orphans", "remove containers of services that are not in the file"),
    async () => (await lifecycle()).kill,
  );
  add(
    "pause [services...]",
    "pause containers",
    (c) => c,
    async () => (await lifecycle()).pause,
  );
  add(
    "unpause [services...]",
    "resume paused containers",
    (c) => c,
    async () => (await lifecycle()).unpause,
  );
  add(
    "rm [services...]",
    "remove stopped containers",
    (c) =>
      c
        .option("-f, --force", "do not ask for confirmation")
        .option("-s, --stop", "stop running containers first")
        .option("-v, --volumes", "remove their anonymous volumes too")
        .option("-a, --all", "include containers of bay run (the default)"),
    async () => (await lifecycle()).rm,
  );
  add(
    "wait <services...>",
    "wait until containers stop, and exit with the exit code of the first",
    (c) => c.option("--down-project", "remove the stack when the first container ends"),
    async () => (await lifecycle()).wait,
  );
  add(
    "attach <service>",
    "attach to a container's terminal or output",
    (c) =>
      c
        .option("--index <number>", "number of the service's container", whole)
        .option("--no-stdin", "do not attach standard input")
        .addOption(
          new Option("--sig-proxy <on>", "forward signals to the container: true or false")
            .choices(["true", "false"])
            .preset("true")
            .default("true"),
        )
        .option(...detachKeysOption),
    async () => (await import("../commands/containers/attach.ts")).attach,
  );
  add(
    "cp <source> <target>",
    "copy files between SERVICE:PATH and a local path; - is a tar stream",
    (c) =>
      c
        .option("--index <number>", "number of the service's container", whole)
        .option("--all", "include containers of bay run")
        .option("-L, --follow-link", "follow symbolic links in the source")
        .option("-a, --archive", "preserve owners"),
    async () => (await import("../commands/containers/cp.ts")).cp,
  );
  add(
    "commit <service> [image]",
    "create an image from a service's container",
    (c) =>
      c
        .option("-a, --author <name>", "author of the image")
        .option("-m, --message <text>", "message in the image's history")
        .option(
          "-c, --change <instruction>",
          "apply a Dockerfile instruction to the image's config, can be repeated",
          collect,
        )
        .option("-p, --pause", "pause the container during the commit (the default)")
        .option("--no-pause", "do not pause the container")
        .option("--index <number>", "number of the service's container", whole),
    async () => (await import("../commands/containers/container.ts")).commit,
  );
  add(
    "export <service>",
    "write the container's file system, without volumes, as a tar archive",
    (c) =>
      c
        .option("-o, --output <file>", "write to a file instead of standard output")
        .option("--index <number>", "number of the service's container", whole),
    async () => (await import("../commands/containers/container.ts")).exportContainer,
  );
}
