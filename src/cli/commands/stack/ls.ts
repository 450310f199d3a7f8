import { BayError, hasCode } from "../../../core/errors.ts";
import type { Context } from "../../context.ts";
import { column, type Listing, printListing } from "../../ui/listing.ts";
import { print } from "../../ui/output.ts";

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
  options: { all?: boolean; quiet?: boolean; filter?: string[]; format: string },
): Promise<void> {
  const wanted = namesOf(options.filter);
  const known = await (await context.client()).json<StackRow[]>("GET", "/bay/v1/stacks").catch((error) => {
    if (hasCode(error, "NO_DAEMON")) return undefined;
    throw error;
  });
  const stacks = known ?? (await import("../../../daemon/stacks/offline.ts")).offlineStacks(context.roots);
  const shown = stacks.filter(
    ({ name, running }) =>
      (options.all || running > 0) && (wanted.length === 0 || wanted.some((text) => name.includes(text))),
  );
  if (options.quiet) return print(shown.map(({ name }) => name).join("\n"));
  await printListing(options.format, LISTING, shown);
}

const status = (running: number, total: number) =>
  running === total ? `running(${running})` : `running(${running}), not running(${total - running})`;

const LISTING: Listing<StackRow> = {
  columns: {
    Name: column("NAME", ({ name }) => name),
    Status: column("STATUS", ({ running, total }) => status(running, total)),
    ConfigFiles: column("CONFIG FILES", ({ files }) => files),
  },
  shown: ["Name", "Status", "ConfigFiles"],
  json: "array",
};

/** `name=TEXT`. Throws BAD_OPTION. */
function namesOf(filters: readonly string[] = []): string[] {
  return filters.map((filter) => {
    const [key, value = ""] = filter.split(/=(.*)/s);
    if (key === "name" && value !== "") return value;
    throw new BayError("BAD_OPTION", `--filter ${filter}: expected name=TEXT`);
  });
}
