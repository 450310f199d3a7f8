/** Commands on bay itself and its host. Each loads its code when it is called. */
import { Option } from "commander";
import { type Add, tableOrJson } from "./add.ts";

export function addHostCommands(add: Add): void {
  add(
    "doctor",
    "check the host for missing requirements",
    (c) => c.addOption(tableOrJson()),
    async () => (await import("../commands/system/doctor.ts")).doctor,
  );
  add(
    "info",
    "show bayd's defaults and limits, and the free disk space",
    (c) => c.addOption(tableOrJson()),
    async () => (await import("../commands/system/info.ts")).info,
  );
  add(
    "explain [codes...]",
    "explain error codes: the meaning, the usual causes and what to do; without a code, list all",
    (c) =>
      c.addOption(new Option("--format <format>", "text or json").choices(["text", "json"]).default("text")),
    async () => (await import("../commands/system/explain.ts")).explain,
  );
  add(
    "daemon [what]",
    "manage bayd: run, install (as a systemd unit), uninstall, stop, reload, status",
    (c) =>
      c
        .option("--no-repair", "run, install: do not repair drift")
        .option("--group <name>", "run, install: let this group use the socket")
        .option("--validate", "check daemon.json, without starting bayd")
        .option("--config-file <file>", "with --validate: check this file")
        .option("--print", "install: only show the units")
        .option("--with-containers", "stop: stop the containers first, in the order of their dependencies"),
    async () => (await import("../commands/system/daemon.ts")).daemon,
  );
  add(
    "version",
    "show versions",
    (c) =>
      c
        .addOption(
          new Option("-f, --format <format>", "pretty or json")
            .choices(["pretty", "text", "json"])
            .default("pretty"),
        )
        .option("--short", "print the version number only"),
    async () => (await import("../commands/system/version.ts")).version,
  );
  add(
    "completion <shell>",
    "print a completion script for bash, zsh or fish; install writes all of them to the directories of the shells, and uninstall removes them",
    (c) => c,
    async () => (await import("../commands/system/completion.ts")).completion,
  );
}
