/** `bay host …`: the hosts of a cluster. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../../core/durations.ts";
import { type Add, collect, formatOption, whole } from "./add.ts";

const nothing = (c: Command) => c;

/** A time such as 30m, 1h or 2d, in milliseconds. */
function lifetime(text: string): number {
  const time = parseDuration(text);
  if (time === undefined) throw new InvalidArgumentError("expected a time such as 30m, 1h or 2d");
  return time;
}

const ownOptions = (c: Command) =>
  c
    .option("--name <name>", "name of this host in the cluster (default: its host name)")
    .option("--address <address>", "IP address at which the other hosts reach this one")
    .option("--port <port>", "TCP port on which bayd listens for the other hosts (default: 2376)", whole)
    .option("--label <key=value>", "label of this host, can be repeated", collect);

export function addClusterCommands(group: (name: string, description: string) => Add): void {
  const host = group(
    "host",
    "manage the hosts of a cluster: init, invite, join, ls, inspect, label, move, rm, rotate, leave",
  );
  host("init", "create a cluster with this host as its first member", ownOptions, async () => {
    return (await import("../commands/system/host.ts")).init;
  });
  host(
    "invite",
    "print a token with which one more host can join",
    (c) =>
      c.addOption(
        new Option("--ttl <time>", "how long the token is valid, such as 30m or 2d")
          .argParser(lifetime)
          .default(3_600_000, "1h"),
      ),
    async () => (await import("../commands/system/host.ts")).invite,
  );
  host(
    "join <address>",
    "make this host a member of the cluster of another host",
    (c) => ownOptions(c.requiredOption("--token <token>", "token that bay host invite printed")),
    async () => (await import("../commands/system/host.ts")).join,
  );
  host(
    "ls",
    "list the hosts of the cluster",
    (c) => c.option("-q, --quiet", "print names only").addOption(formatOption()),
    async () => (await import("../commands/system/host.ts")).list,
  );
  host(
    "inspect <hosts...>",
    "show details of hosts as JSON",
    nothing,
    async () => (await import("../commands/system/host.ts")).inspect,
  );
  host(
    "label <host> <labels...>",
    "set labels of a host (KEY=VALUE), or remove them (KEY-)",
    nothing,
    async () => (await import("../commands/system/host.ts")).label,
  );
  host(
    "move <host> <address>",
    "change the IP address of a host in the cluster",
    nothing,
    async () => (await import("../commands/system/host.ts")).move,
  );
  host(
    "rm <hosts...>",
    "remove hosts from the cluster; their certificates are no longer valid",
    nothing,
    async () => (await import("../commands/system/host.ts")).remove,
  );
  host("rotate", "replace the key and the certificate of this host", nothing, async () => {
    return (await import("../commands/system/host.ts")).rotate;
  });
  host("leave", "remove the cluster's identity from this host", nothing, async () => {
    return (await import("../commands/system/host.ts")).leave;
  });
}
