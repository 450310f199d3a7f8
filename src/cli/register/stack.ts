/** Commands on a stack as a whole. Each loads its code when it is called. */
import { type Command, Option } from "commander";
import {
  type Add,
  claimOptions,
  collect,
  formatOption,
  refuse,
  refuseCommand,
  secondsOption,
  tableOrJson,
  whole,
} from "./add.ts";

export function addStackCommands(add: Add, program: Command): void {
  add(
    "up [services...]",
    "create and start the stack",
    (c) =>
      claimOptions(c)
        .option("-d, --detach", "run in the background")
        .option("--wait", "wait until all services are running and healthy; implies -d")
        .option("--wait-timeout <seconds>", "maximum time to wait", whole)
        .option("--dry-run", "show the plan and change nothing")
        .option("--remove-orphans", "remove containers of services that are not in the file")
        .option("--force-recreate", "replace containers even if they have not changed")
        .option("--rerun [service...]", "run completed one-shot services again: all, or the named ones")
        .option("--no-recreate", "do not replace existing containers")
        .option("--scale <service=count>", "number of containers of a service", collect)
        .option("--no-deps", "ignore the services that the named ones depend on")
        .option("--no-start", "create the containers without starting them")
        .addOption(
          new Option("--pull <policy>", "override pull_policy").choices(["always", "missing", "never"]),
        )
        .option("--build", "build all images, even current ones")
        .option("--no-build", "do not build images")
        .option("--abort-on-container-exit", "stop all containers when one ends")
        .option(
          "--exit-code-from <service>",
          "exit with the exit code of this service; implies --abort-on-container-exit",
        )
        .option(
          "--abort-on-container-failure",
          "stop all containers when one ends with an exit code other than 0",
        )
        .option("--always-recreate-deps", "replace the dependencies of the named services too")
        .option("--attach <service>", "show the logs of this service only", collect)
        .option("--attach-dependencies", "show the logs of dependencies too")
        .addOption(notNegated("--no-attach <service>", "hide the logs of this service"))
        .option("--no-color", "disable colours in logs")
        .option("--no-log-prefix", "hide container names in logs")
        .option("--timestamps", "show timestamps in logs")
        .option("--quiet-build", "hide the progress of builds")
        .option("--quiet-pull", "hide the progress of pulls")
        .option("-y, --yes", "accepted for compatibility; bay up asks no questions")
        .option("-w, --watch", "watch the files of develop.watch too, as bay watch does")
        .option("-V, --renew-anon-volumes", "give replaced containers new anonymous volumes")
        .option("--no-repair", "start bayd without drift repair")
        .option("--skip-unreachable", "skip hosts of the cluster that do not answer")
        .addOption(secondsOption()),
    async () => (await import("../commands/stack/up.ts")).up,
  );
  const upCommand = program.commands.find((command) => command.name() === "up");
  refuse(upCommand, "--menu", "bay up reads no keys; Ctrl-C stops the stack");
  add(
    "create [services...]",
    "create containers without starting them",
    (c) =>
      claimOptions(c)
        .option("--force-recreate", "replace containers even if they have not changed")
        .option("--no-recreate", "do not replace existing containers")
        .option("--remove-orphans", "remove containers of services that are not in the file")
        .option("--build", "build images first, even current ones")
        .option("--no-build", "do not build images")
        .addOption(
          new Option("--pull <policy>", "override pull_policy").choices([
            "always",
            "missing",
            "never",
            "build",
          ]),
        )
        .option("--quiet-pull", "hide the progress of pulls")
        .option("-y, --yes", "accepted for compatibility; bay create asks no questions")
        .option("--scale <service=count>", "number of containers", collect),
    async () => (await import("../commands/stack/up.ts")).create,
  );
  add(
    "scale <service=count...>",
    "set the number of containers of services",
    (c) => claimOptions(c).option("--no-deps", "ignore the services that the named ones depend on"),
    async () => (await import("../commands/stack/up.ts")).scale,
  );
  add(
    "down [services...]",
    "remove the containers and networks of the stack, or of some of its services",
    (c) =>
      claimOptions(c)
        .option(
          "-v, --volumes",
          "remove the volumes of the file and their data too; without a file, all volumes of the stack",
        )
        .option("--rmi <which>", "remove images: all, or local for those created by bay")
        .option("--remove-orphans", "include services that are not in the file")
        .option("--dry-run", "show what would be removed without removing it")
        .option("--skip-unreachable", "skip hosts of the cluster that do not answer")
        .addOption(secondsOption()),
    async () => (await import("../commands/stack/down.ts")).down,
  );
  add(
    "plan [services...]",
    "show how the host differs from the file",
    (c) =>
      c
        .option("--detailed-exitcode", "0: nothing to do, 2: changes, 1: error")
        .option("--json", "print the plan as JSON")
        .option("--json-schema", "print the JSON Schema of --json")
        .addOption(
          new Option("--graph <format>", "print the steps as a graph").choices(["mermaid", "dot", "svg"]),
        )
        .option("-o, --output <file>", "save the plan for bay apply")
        .option("--remove-orphans", "plan to remove containers of services that are not in the file")
        .option("--force-recreate", "plan to replace containers even if they have not changed")
        .option("--always-recreate-deps", "plan to replace the dependencies of the named services too")
        .option("--rerun [service...]", "plan to run completed one-shot services again")
        .option("--scale <service=count>", "number of containers", collect)
        .option("--build", "plan to build all images, even current ones")
        .option("--no-build", "plan without builds")
        .option("--no-deps", "ignore the services that the named ones depend on"),
    async () => (await import("../commands/stack/plan.ts")).plan,
  );
  add(
    "apply <planfile>",
    "apply a saved plan if the host has not changed since",
    claimOptions,
    async () => (await import("../commands/stack/plan.ts")).apply,
  );
  add(
    "history",
    "list the applied revisions of the stack",
    (c) => c.addOption(tableOrJson()),
    async () => (await import("../commands/stack/history.ts")).history,
  );
  add(
    "diff <revision> [revision]",
    "show the differences between an applied revision and the file, or another revision",
    (c) => c.option("--json", "print JSON"),
    async () => (await import("../commands/stack/history.ts")).diff,
  );
  add(
    "rollback [revision]",
    "restore an applied revision: the one before the last, or another",
    (c) => claimOptions(c).option("--dry-run", "show the plan and change nothing").addOption(secondsOption()),
    async () => (await import("../commands/stack/history.ts")).rollback,
  );
  add(
    "config [services...]",
    "check the file and print its normalised form; `config schema` prints the JSON Schema",
    (c) =>
      c
        .option("-q, --quiet", "check only")
        .addOption(new Option("--format <format>", "yaml or json").choices(["yaml", "json"]).default("yaml"))
        .option("--json", "print JSON")
        .option("--services", "print service names only")
        .option("--images", "print image names only")
        .option("--volumes", "print volume names only")
        .option("--networks", "print network names only")
        .option("--profiles", "print the profiles of services only")
        .option("--variables", "print the variables used in the files")
        .option("--environment", "print the environment used for variables")
        .option("--explain <key.path>", "show the file and line that set the values at a path")
        .option("--hash <services>", 'a digest for each service; "*" for all')
        .option("--lock-image-digests", "print an override file with image digests only")
        .option("--no-normalize", "print the merged files with variables replaced and no other changes")
        .option("--no-path-resolution", "like --no-normalize: keep paths as written")
        .option("--no-env-resolution", "like --no-normalize: do not read env_file into environment")
        .option("--no-consistency", "like --no-normalize: do not check references between sections")
        .option("--resolve-image-digests", "replace image tags with their current digests")
        .option("--no-interpolate", "do not replace variables; implies no checks")
        .option("-o, --output <file>", "write to a file"),
    async () => (await import("../commands/stack/config.ts")).config,
  ).alias("convert");
  const configCommand = program.commands.find((command) => command.name() === "config");
  refuse(configCommand, "--models", "bay has no models");
  add(
    "publish <name>",
    "push the stack's files to a registry, for bay -f oci://NAME",
    (c) =>
      c
        .option("--resolve-image-digests", "replace image tags with their current digests")
        .option("--with-env", "publish the content of env files too")
        .option("-y, --yes", "publish values that may be secrets")
        .addOption(
          new Option(
            "--oci-version <version>",
            "version of OCI that the registry supports (default: 1.1)",
          ).choices(["1.0", "1.1"]),
        ),
    async () => (await import("../commands/stack/publish.ts")).publish,
  );
  const publishCommand = program.commands.find((command) => command.name() === "publish");
  refuse(publishCommand, "--app", "images are pushed with bay push");
  add(
    "lint [services...]",
    "warn about valid but risky settings",
    (c) => c.option("--json", "print JSON").option("--rules", "list the rules and their descriptions"),
    async () => (await import("../commands/stack/lint.ts")).lint,
  );
  add(
    "ls",
    "list stacks",
    (c) =>
      c
        .option("-a, --all", "include stopped ones")
        .option("-q, --quiet", "print names only")
        .option("--filter <filter>", "filter by name=TEXT, can be repeated", collect)
        .addOption(formatOption()),
    async () => (await import("../commands/stack/ls.ts")).ls,
  );
  add(
    "volumes [services...]",
    "list the stack's volumes",
    (c) => c.option("-q, --quiet", "print names only").addOption(formatOption()),
    async () => (await import("../commands/stack/volumes.ts")).volumes,
  );
  add(
    "watch [services...]",
    "update running services when files under develop.watch change",
    (c) =>
      c
        .option("--take-over", "suspend the gitops source that manages the stack first")
        .option("--no-up", "do not create or start services first")
        .option("--no-prune", "keep the images of earlier rebuilds")
        .addOption(new Option("--prune", "remove the images of earlier rebuilds (default)").hideHelp())
        .option("--quiet", "hide the output of builds")
        .option("--json", "print events as lines of JSON, for editors")
        .option("--dry-run", "list the rules and watch nothing"),
    async () => (await import("../commands/stack/watch.ts")).watch,
  );
  refuseCommand(program, "bridge", "bay does not generate files for other orchestrators");
  refuseCommand(program, "alpha", "bay has no experimental commands");
}

/** The name of the option begins with "no", but it takes a value. */
function notNegated(flags: string, description: string): Option {
  const option = new Option(flags, description).argParser(collect);
  option.negate = false;
  return option;
}
