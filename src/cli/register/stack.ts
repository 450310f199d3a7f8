/** Commands on a stack as a whole. Each loads what it does when it is called. */
import { Option } from "commander";
import { type Add, collect, secondsOption, tableOrJson, whole } from "./add.ts";

export function addStackCommands(add: Add): void {
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
        .option("--attach <service>", "show only this service's logs", collect)
        .option("--no-log-prefix", "show logs without names")
        .option("-V, --renew-anon-volumes", "give replaced containers new anonymous volumes")
        .option("--no-repair", "start bayd without repair of drift")
        .addOption(secondsOption()),
    async () => (await import("../commands/up.ts")).up,
  );
  add(
    "create [services...]",
    "make containers and do not start them",
    (c) =>
      c
        .option("--force-recreate")
        .option("--remove-orphans")
        .option("--scale <service=count>", "number of containers", collect),
    async () => (await import("../commands/up.ts")).create,
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
    async () => (await import("../commands/down.ts")).down,
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
        .option("--remove-orphans")
        .option("--force-recreate")
        .option("--rerun [service...]", "plan to run one-shot services again that ended with exit code 0")
        .option("--scale <service=count>", "number of containers", collect)
        .option("--build", "plan all builds, also of images that are current")
        .option("--no-build", "plan no builds")
        .option("--no-deps"),
    async () => (await import("../commands/plan.ts")).plan,
  );
  add(
    "apply <planfile>",
    "carry out a kept plan, if the host is still as it was",
    (c) => c,
    async () => (await import("../commands/plan.ts")).apply,
  );
  add(
    "history",
    "the versions of the stack that were applied",
    (c) => c.addOption(tableOrJson()),
    async () => (await import("../commands/history.ts")).history,
  );
  add(
    "diff <revision> [revision]",
    "what differs between an applied version and the file, or another version",
    (c) => c.option("--json", "as JSON"),
    async () => (await import("../commands/history.ts")).diff,
  );
  add(
    "rollback [revision]",
    "bring an applied version back: the one before the last, or another",
    (c) => c.option("--dry-run", "show the plan and change nothing").addOption(secondsOption()),
    async () => (await import("../commands/history.ts")).rollback,
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
        .option("--resolve-image-digests", "images with the digests that their names stand for now")
        .option("--no-interpolate", "leave variables as they are written; nothing is checked then")
        .option("-o, --output <file>", "into a file"),
    async () => (await import("../commands/config.ts")).config,
  );
  add(
    "lint [services...]",
    "say what in the file works, and will hurt",
    (c) => c.option("--json", "as JSON").option("--rules", "only the rules and what they ask for"),
    async () => (await import("../commands/lint.ts")).lint,
  );
  add(
    "ls",
    "list stacks",
    (c) =>
      c
        .option("-a, --all", "those that do not run too")
        .option("-q, --quiet", "only names")
        .addOption(tableOrJson()),
    async () => (await import("../commands/ls.ts")).ls,
  );
}
