import { hasCode } from "../../errors.ts";
import type { Context } from "../context.ts";
import { print, table } from "../ui/output.ts";

interface StackRow {
  name: string;
  running: number;
  total: number;
  files: string;
}

/** Lists the stacks that have containers. */
export async function ls(
  context: Context,
  _args: string[],
  options: { all?: boolean; quiet?: boolean; format: string },
): Promise<void> {
  const known = await (await context.client()).json<StackRow[]>("GET", "/bay/v1/stacks").catch((error) => {
    if (hasCode(error, "NO_DAEMON")) return undefined;
    throw error;
  });
  const stacks = known ?? (await import("../../daemon/offline.ts")).offlineStacks(context.roots);
  const shown = stacks.filter(({ running }) => options.all || running > 0);
  if (options.quiet) return print(shown.map(({ name }) => name).join("\n"));
  if (options.format === "json")
    return print(
      JSON.stringify(
        shown.map(({ name, running, total, files }) => ({
          Name: name,
          Status: status(running, total),
          ConfigFiles: files,
        })),
        null,
        2,
      ),
    );
  print(
    table(
      ["NAME", "STATUS", "FILES"],
      shown.map(({ name, running, total, files }) => [name, status(running, total), files]),
    ),
  );
}

const status = (running: number, total: number) =>
  running === total ? `running(${running})` : `running(${running}), not running(${total - running})`;
