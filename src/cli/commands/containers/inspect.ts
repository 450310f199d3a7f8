import { hasCode } from "../../../core/errors.ts";
import type { Context } from "../../context.ts";
import { stackContainers } from "../../named-containers.ts";
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
    const ids = await containerIds(context, name);
    for (const id of ids) found.push(await client.json("GET", `/containers/${id}/json`));
  }
  if (options.format === undefined || options.format === "json") return printJson(found);
  const { formatValue } = await import("../../ui/listing.ts");
  for (const value of found) print(`${await formatValue(options.format, value)}\n`);
}

async function containerIds(context: Context, name: string): Promise<string[]> {
  try {
    const rows = await stackContainers(await context.client(), await context.stackName(), {
      services: [name],
    });
    return rows.map(({ Id }) => Id);
  } catch (error) {
    if (hasCode(error, "UNKNOWN_SERVICE", "NO_STACK_FILE")) return [name];
    throw error;
  }
}
