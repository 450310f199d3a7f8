import { hasCode } from "../../errors.ts";
import { type Context, stackContainers } from "../context.ts";
import { printJson } from "../ui/output.ts";

/** All about containers, by service of the stack, or by name or ID of any. */
export async function inspect(context: Context, names: string[]): Promise<void> {
  const client = await context.client();
  const found: unknown[] = [];
  for (const name of names) {
    const ids = await containerIds(context, name);
    for (const id of ids) found.push(await client.json("GET", `/containers/${id}/json`));
  }
  printJson(found);
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
