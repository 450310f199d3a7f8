import type { Context } from "../../context.ts";
import { containersOf } from "../../named-containers.ts";
import { print, printJson } from "../../ui/output.ts";

/** Prints all details of containers: those of a service of the stack, or any by name or ID. */
export async function inspect(
  context: Context,
  names: string[],
  options: { format?: string } = {},
): Promise<void> {
  const client = await context.client();
  const found: unknown[] = [];
  for (const name of names) {
    const { rows } = await containersOf(context, [name]);
    for (const { Id } of rows) found.push(await client.json("GET", `/containers/${Id}/json`));
  }
  if (options.format === undefined || options.format === "json") return printJson(found);
  const { formatValue } = await import("../../ui/listing.ts");
  for (const value of found) print(`${await formatValue(options.format, value)}\n`);
}
