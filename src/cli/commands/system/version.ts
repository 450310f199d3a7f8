import { hasCode, messageOf } from "../../../core/errors.ts";
import { VERSION } from "../../../core/version.ts";
import type { Context } from "../../context.ts";
import { print, printJson } from "../../ui/output.ts";

export async function version(
  context: Context,
  _args: string[],
  options: { format: string; short?: boolean },
): Promise<void> {
  if (options.short) return print(VERSION);
  const daemon = await (await context.client())
    .json<{ Version: string; ApiVersion: string }>("GET", "/version")
    .catch((error: unknown) => {
      // the command has a version even if bayd does not run
      if (!hasCode(error, "NO_DAEMON")) process.stderr.write(`warning: ${messageOf(error)}\n`);
      return undefined;
    });
  if (options.format === "json")
    return printJson({
      Client: VERSION,
      Daemon: daemon?.Version ?? null,
      ApiVersion: daemon?.ApiVersion ?? null,
      Node: process.version,
    });
  print(
    `bay ${VERSION} (node ${process.version})\nbayd ${daemon ? `${daemon.Version} (Engine API ${daemon.ApiVersion})` : "does not answer"}`,
  );
}
