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
    .catch(() => undefined);
  if (options.format === "json")
    return printJson({
      Client: VERSION,
      Daemon: daemon?.Version ?? null,
      ApiVersion: daemon?.ApiVersion ?? null,
      Node: process.version,
    });
  print(
    `bay ${VERSION} (node ${process.version})\nbayd ${daemon ? `${daemon.Version} (Engine API ${daemon.ApiVersion})` : "is not running"}`,
  );
}
