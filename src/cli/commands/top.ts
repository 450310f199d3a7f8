import { type Context, nameOf, stackContainers } from "../context.ts";
import { print, table } from "../ui/output.ts";

export async function top(context: Context, services: string[]): Promise<void> {
  const client = await context.client();
  const rows = await stackContainers(client, await context.stackName(), { services });
  for (const row of rows.filter(({ State }) => State === "running" || State === "paused")) {
    const { Titles, Processes } = await client.json<{ Titles: string[]; Processes: string[][] }>(
      "GET",
      `/containers/${row.Id}/top`,
    );
    print(`${nameOf(row)}\n${table(Titles, Processes)}`);
  }
}
