import type { Context } from "../../context.ts";
import { print, printJson, table } from "../../ui/output.ts";
import { type Finding, inspectHost } from "./host-check.ts";

/** Reports what this host lacks, with the command that installs it. Returns 1 if a requirement is missing. */
export async function doctor(
  context: Context,
  _args: string[],
  options: { format: string },
): Promise<number> {
  await context.requireOwn("bay doctor");
  const findings = inspectHost(context.roots);
  if (options.format === "json") printJson(findings);
  else {
    print(
      table(
        ["", "WHAT", "FOUND"],
        findings.map(({ state, what, found }) => [state, what, found]),
      ),
    );
    for (const { state, what, hint } of findings) if (state !== "ok" && hint) print(`${what}: ${hint}`);
  }
  return findings.some(({ state }: Finding) => state === "missing") ? 1 : 0;
}
