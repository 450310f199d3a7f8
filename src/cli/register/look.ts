/** Commands that show what is there. Each loads what it does when it is called. */
import { type Add, collect, formatOption, tableOrJson, whole } from "./add.ts";

export function addLookCommands(add: Add): void {
  add(
    "ps [services...]",
    "list containers",
    (c) =>
      c
        .option("-a, --all", "those that ended too")
        .option("-q, --quiet", "only IDs")
        .option("--services", "only service names")
        .option("--status <state>", "only those in this state, again for more", collect)
        .option("--filter <filter>", "status=running, service=web", collect)
        .option("--orphans", "also services that the file no longer has (the default)")
        .option("--no-orphans", "without services that the file no longer has")
        .option("--no-trunc", "whole IDs and commands")
        .addOption(formatOption()),
    async () => (await import("../commands/stack/ps.ts")).ps,
  );
  add(
    "logs [services...]",
    "show output",
    (c) =>
      c
        .option("-f, --follow", "go on")
        .option("-t, --timestamps", "with times")
        .option("-n, --tail <lines>", "the last lines of each", "all")
        .option("--index <number>", "this container of the service", whole)
        .option("--since <time>", "from a time or 10m ago")
        .option("--until <time>", "up to a time")
        .option("--no-log-prefix", "without names")
        .option("--no-color", "without colours"),
    async () => (await import("../commands/containers/logs.ts")).logs,
  );
  add(
    "top [services...]",
    "show processes",
    (c) => c.addOption(tableOrJson()),
    async () => (await import("../commands/containers/top.ts")).top,
  );
  add(
    "stats [services...]",
    "show use of CPU, memory and network",
    (c) =>
      c
        .option("-a, --all", "those that do not run too")
        .option("--no-stream", "once")
        .option("--no-trunc", "whole IDs")
        .addOption(formatOption()),
    async () => (await import("../commands/containers/stats.ts")).stats,
  );
  add(
    "port <service> <port>",
    "show where a port is published",
    (c) =>
      c
        .option("--protocol <protocol>", "tcp or udp", "tcp")
        .option("--index <number>", "this container of the service", whole),
    async () => (await import("../commands/containers/port.ts")).port,
  );
  add(
    "images [services...]",
    "list the images that containers use",
    (c) => c.option("-q, --quiet", "only IDs").addOption(formatOption()),
    async () => (await import("../commands/stack/images.ts")).images,
  );
  add(
    "events [services...]",
    "show what happens",
    (c) =>
      c
        .option("--json", "as JSON lines")
        .option("--since <time>", "from a time")
        .option("--until <time>", "up to a time"),
    async () => (await import("../commands/system/events.ts")).events,
  );
  add(
    "inspect <names...>",
    "show all about containers, by service or name",
    (c) => c.option("-f, --format <template>", "only what a Go template prints: '{{.State.Pid}}'"),
    async () => (await import("../commands/containers/inspect.ts")).inspect,
  );
}
