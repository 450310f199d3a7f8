/** Commands on a stack as a whole. Each loads what it does when it is called. */
import { type Command, Option } from "commander";
import {
  type Add,
  collect,
  formatOption,
  refuse,
  refuseCommand,
  secondsOption,
  tableOrJson,
  whole,
} from "./add.ts";

const LATER = "bay watch is not available yet";

export function addStackCommands(add: Add, program: Command): void {
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
        .option(
          "--rerun [service...]",
          "run one-shot services again that ended with exit code 0; all, or these",
        )
        .option("--no-recreate", "leave containers that exist as they are")
        .option("--scale <service=count>", "run so many containers of a service", collect)
        .option("--no-deps", "leave the services alone that the named ones need")
        .option("--no-start", "make the containers and do not start them")
        .addOption(
          new Option("--pull <policy>", "pull images so, whatever their services say").choices([
            "always",
            "missing",
            "never",
          ]),
        )
        .option("--build", "go through all builds, also of images that are current")
        .option("--no-build", "build nothing, whatever changed")
        .option("--abort-on-container-exit", "stop all when one ends")
        .option(
          "--exit-code-from <service>",
          "exit with this service's code; implies --abort-on-container-exit",
        )
        .option("--abort-on-container-failure", "stop all when one ends with another exit code than 0")
        .option("--always-recreate-deps", "replace the services that the named ones need, too")
        .option("--attach <service>", "show only this service's logs", collect)
        .option("--attach-dependencies", "show the logs of the services that the named ones need, too")
        .addOption(notNegated("--no-attach <service>", "do not show this service's logs"))
        .option("--no-color", "show logs without colours")
        .option("--no-log-prefix", "show logs without names")
        .option("--timestamps", "show logs with times")
        .option("--quiet-build", "show no progress of builds")
        .option("--quiet-pull", "show no progress of pulls")
        .option("-y, --yes", "answer all questions with yes; bay up asks none")
        .option("-V, --renew-anon-volumes", "give replaced containers new anonymous volumes")
        .option("--no-repair", "start bayd without repair of drift")
        .addOption(secondsOption()),
    async () => (await import("../commands/stack/up.ts")).up,
  );
  const upCommand = program.commands.find((command) => command.name() === "up");
  refuse(upCommand, "--menu", "bay up reads no keys; Ctrl-C stops the stack");
  refuse(upCommand, "-w, --watch", LATER);
  add(
    "create [services...]",
    "make containers and do not start them",
    (c) =>
      c
        .option("--force-recreate", "replace containers that have not changed, too")
        .option("--no-recreate", "leave containers that exist as they are")
        .option("--remove-orphans", "remove containers of services that the file no longer has")
        .option("--build", "build images first, also those that are current")
        .option("--no-build", "build nothing, whatever changed")
        .addOption(
          new Option("--pull <policy>", "pull images so, whatever their services say").choices([
            "always",
            "missing",
            "never",
            "build",
          ]),
        )
        .option("--quiet-pull", "show no progress of pulls")
        .option("-y, --yes", "answer all questions with yes; bay create asks none")
        .option("--scale <service=count>", "number of containers", collect),
    async () => (await import("../commands/stack/up.ts")).create,
  );
  add(
    "scale <service=count...>",
    "run so many containers of services",
    (c) => c.option("--no-deps", "leave the services alone that the named ones need"),
    async () => (await import("../commands/stack/up.ts")).scale,
  );
  add(
    "down [services...]",
    "remove the containers and networks of the stack, or of some of its services",
    (c) =>
      c
        .option("-v, --volumes", "remove its volumes and their contents too")
        .option("--rmi <which>", "remove images: all, or local for those made by bay")
        .option("--remove-orphans", "also services that the file no longer has")
        .option("--dry-run", "show what would be removed, and remove nothing")
        .addOption(secondsOption()),
    async () => (await import("../commands/stack/down.ts")).down,
  );
  add(
    "plan [services...]",
    "show how the host differs from the file",
    (c) =>
      c
        .option("--detailed-exitcode", "0: nothing to do, 2: changes, 1: error")
        .option("--json", "the plan as JSON")
        .option("--json-schema", "the JSON Schema of --json")
        .addOption(new Option("--graph <format>", "the steps as a graph").choices(["mermaid", "dot", "svg"]))
        .option("-o, --output <file>", "keep the plan for bay apply")
        .option("--remove-orphans", "plan to remove containers of services that the file no longer has")
        .option("--force-recreate", "plan to replace containers that have not changed, too")
        .option("--always-recreate-deps", "plan to replace the services that the named ones need, too")
        .option("--rerun [service...]", "plan to run one-shot services again that ended with exit code 0")
        .option("--scale <service=count>", "number of containers", collect)
        .option("--build", "plan all builds, also of images that are current")
        .option("--no-build", "plan no builds")
        .option("--no-deps", "leave the services alone that the named ones need"),
    async () => (await import("../commands/stack/plan.ts")).plan,
  );
  add(
    "apply <planfile>",
    "carry out a kept plan, if the host is still as it was",
    (c) => c,
    async () => (await import("../commands/stack/plan.ts")).apply,
  );
  add(
    "history",
    "the revisions of the stack that were applied",
    (c) => c.addOption(tableOrJson()),
    async () => (await import("../commands/stack/history.ts")).history,
  );
  add(
    "diff <revision> [revision]",
    "what differs between an applied revision and the file, or another revision",
    (c) => c.option("--json", "as JSON"),
    async () => (await import("../commands/stack/history.ts")).diff,
  );
  add(
    "rollback [revision]",
    "restore an applied revision: the one before the last, or another",
    (c) => c.option("--dry-run", "show the plan and change nothing").addOption(secondsOption()),
    async () => (await import("../commands/stack/history.ts")).rollback,
  );
  add(
    "config [services...]",
    "check the file and show what it means; `config schema` prints the JSON Schema",
    (c) =>
      c
        .option("-q, --quiet", "only check")
        .addOption(new Option("--format <format>", "yaml or json").choices(["yaml", "json"]).default("yaml"))
        .option("--json", "as JSON")
        .option("--services", "only service names")
        .option("--images", "only image names")
        .option("--volumes", "only volume names")
        .option("--networks", "only network names")
        .option("--profiles", "only the profiles that services are in")
        .option("--variables", "the variables that the files name")
        .option("--environment", "what variables are filled in from")
        .option("--explain <key.path>", "from which file and line the values at a path came")
        .option("--hash <services>", 'a digest for each service; "*" for all')
        .option("--lock-image-digests", "only an override file with the digests of the images")
        .option("--no-normalize", "the files merged, with variables filled in, and nothing else changed")
        .option("--no-path-resolution", "as --no-normalize: paths stay as they are written")
        .option("--no-env-resolution", "as --no-normalize: env_file is not read into environment")
        .option("--no-consistency", "as --no-normalize; what a service names need not exist")
        .option("--resolve-image-digests", "images with the digests that their names stand for now")
        .option("--no-interpolate", "leave variables as they are written; nothing is checked then")
        .option("-o, --output <file>", "into a file"),
    async () => (await import("../commands/stack/config.ts")).config,
  ).alias("convert");
  const configCommand = program.commands.find((command) => command.name() === "config");
  refuse(configCommand, "--models", "bay has no models");
  add(
    "lint [services...]",
    "say what in the file works, and will hurt",
    (c) => c.option("--json", "as JSON").option("--rules", "only the rules and what they ask for"),
    async () => (await import("../commands/stack/lint.ts")).lint,
  );
  add(
    "ls",
    "list stacks",
    (c) =>
      c
        .option("-a, --all", "those that do not run too")
        .option("-q, --quiet", "only names")
        .option("--filter <filter>", "name=TEXT: those whose names contain it; again for more", collect)
        .addOption(formatOption()),
    async () => (await import("../commands/stack/ls.ts")).ls,
  );
  add(
    "volumes [services...]",
    "list the stack's volumes",
    (c) => c.option("-q, --quiet", "only names").addOption(formatOption()),
    async () => (await import("../commands/stack/volumes.ts")).volumes,
  );
  refuseCommand(program, "watch", LATER);
  refuseCommand(program, "publish", "bay keeps stack files in Git and not in registries");
  refuseCommand(program, "bridge", "bay makes no files for other orchestrators");
  refuseCommand(program, "alpha", "bay has no experimental commands");
}

/** Its name begins with "no", and it takes a value. */
function notNegated(flags: string, description: string): Option {
  const option = new Option(flags, description).argParser(collect);
  option.negate = false;
  return option;
}
