import type { Context } from "../../context.ts";
import { containersOf, nameOf } from "../../named-containers.ts";
import { print, printJson, table } from "../../ui/output.ts";

export async function top(context: Context, services: string[], options: { format: string }): Promise<void> {
  const { client, rows } = await containersOf(context, services);
  const found: Record<string, string>[] = [];
  for (const row of rows.filter(({ State }) => State === "running" || State === "paused")) {
    const { Titles, Processes } = await client.json<{ Titles: string[]; Processes: string[][] }>(
      "GET",
      `/containers/${row.Id}/top`,
    );
    if (options.format === "json") {
      for (const values of Processes)
        found.push({
          Name: nameOf(row),
          ...Object.fromEntries(Titles.map((title, index) => [title, values[index] ?? ""])),
        });
    } else print(`${nameOf(row)}\n${table(Titles, Processes)}`);
  }
  if (options.format === "json") printJson(found);
}
