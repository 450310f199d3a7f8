/** Commands for the bayds of other hosts. Each loads its code when it is called. */
import type { Command } from "commander";
import { type Add, formatOption } from "./add.ts";

const nothing = (c: Command) => c;

export function addContextCommands(add: Add, group: (name: string, description: string) => Add): void {
  add(
    "dial-stdio",
    "connect standard input and output to bayd, for clients that use ssh",
    (c) => c.option("--announce", "write a line to standard error when the connection is established"),
    async () => (await import("../commands/system/dial-stdio.ts")).dialStdio,
  );
  const context = group(
    "context",
    "manage contexts, which name the bayds of hosts: create, use, ls, show, inspect, rm",
  );
  context(
    "create <newname>",
    "save the address of a bayd, with its certificates, under a name",
    (c) =>
      c
        .requiredOption("-H, --host <address>", "unix://PATH, tcp://HOST:PORT or ssh://USER@HOST")
        .option("--description <text>", "a description for bay context ls")
        .option(
          "--tls",
          "use TLS; without --tlscacert or --tlsverify, the certificate of the host is not checked",
        )
        .option("--tlsverify", "use TLS, and check the certificate of the host")
        .option("--tlscacert <file>", "CA certificate of the host")
        .option("--tlscert <file>", "certificate of this client")
        .option("--tlskey <file>", "key of this client"),
    async () => (await import("../commands/system/context.ts")).create,
  );
  context(
    "use <contextname>",
    "set the current context; default is the bayd of this computer",
    nothing,
    async () => (await import("../commands/system/context.ts")).use,
  );
  context(
    "ls",
    "list contexts; * marks the current one",
    (c) => c.option("-q, --quiet", "print names only").addOption(formatOption()),
    async () => (await import("../commands/system/context.ts")).list,
  );
  context(
    "show",
    "print the name of the current context, or the address that overrides it",
    nothing,
    async () => (await import("../commands/system/context.ts")).show,
  );
  context(
    "inspect [contextnames...]",
    "show details of contexts as JSON, without keys",
    nothing,
    async () => (await import("../commands/system/context.ts")).inspect,
  );
  context(
    "rm <contextnames...>",
    "remove contexts, with their certificates and keys",
    (c) => c.option("-f, --force", "remove the context in use too, and ignore contexts that do not exist"),
    async () => (await import("../commands/system/context.ts")).remove,
  );
}
