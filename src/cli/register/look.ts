/** Commands that show containers and their output. Each loads its code when it is called. */
import { type Add, collect, formatOption, tableOrJson, whole } from "./add.ts";

export function addLookCommands(add: Add): void {
  add(
    "ps [services...]",
    "list containers",
    (c) =>
      c
        .option("-a, --all", "include stopped containers")
        .option("-q, --quiet", "print IDs only")
        .option("--services", "print service names only")
        .option("--status <state>", "filter by state, can be repeated", collect)
        .option("--filter <filter>", "status=running, service=web", collect)
        .option("--orphans", "include services that are not in the file (the default)")
        .option("--no-orphans", "hide services that are not in the file")
        .option("--no-trunc", "do not truncate IDs and commands")
        .addOption(formatOption()),
    async () => (await import("../commands/stack/ps.ts")).ps,
  );
  add(
    "logs [services...]",
    "show the output of containers",
    (c) =>
      c
        .option("-f, --follow", "follow the output")
        .option("-t, --timestamps", "show timestamps")
        .option("-n, --tail <lines>", "number of last lines per container, or all", "all")
        .option("--index <number>", "number of the service's container", whole)
        .option("--since <time>", "show output since a time, or 10m for a duration")
        .option("--until <time>", "show entries until a time")
        .option("--no-log-prefix", "hide container names")
        .option("--no-color", "disable colours"),
    async () => (await import("../commands/containers/logs.ts")).logs,
  );
  add(
    "top [services...]",
    "show the processes of containers",
    (c) => c.addOption(tableOrJson()),
    async () => (await import("../commands/containers/top.ts")).top,
  );
  add(
    "stats [services...]",
    "show the CPU, memory and network use of containers",
    (c) =>
      c
        .option("-a, --all", "include stopped ones")
        .option("--no-stream", "print one sample")
        .option("--no-trunc", "do not truncate IDs")
        .addOption(formatOption()),
    async () => (await import("../commands/containers/stats.ts")).stats,
  );
  add(
    "port <service> <port>",
    "show the host address of a published port",
    (c) =>
      c
        .option("--protocol <protocol>", "tcp or udp", "tcp")
        .option("--index <number>", "number of the service's container", whole),
    async () => (await import("../commands/containers/port.ts")).port,
  );
  add(
    "images [services...]",
    "list the images that containers use",
    (c) => c.option("-q, --quiet", "print IDs only").addOption(formatOption()),
    async () => (await import("../commands/stack/images.ts")).images,
  );
  add(
    "events [services...]",
    "show events of the stack",
    (c) =>
      c
        .option("--json", "print JSON lines")
        .option("--since <time>", "show entries since a time")
        .option("--until <time>", "show entries until a time"),
    async () => (await import("../commands/system/events.ts")).events,
  );
  add(
    "inspect <names...>",
    "show details of containers, by service or name",
    (c) => c.option("-f, --format <template>", "format the output with a Go template: '{{.State.Pid}}'"),
    async () => (await import("../commands/containers/inspect.ts")).inspect,
  );
}
