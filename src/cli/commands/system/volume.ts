/** `bay volume …`: volumes of this host, of any stack. */
import type { Context } from "../../context.ts";
import { printListing } from "../../ui/listing.ts";
import { print, printJson, table } from "../../ui/output.ts";
import { volumeListing } from "../stack/volumes.ts";

interface VolumeRow {
  Name: string;
  Driver: string;
  Mountpoint: string;
  Labels: Record<string, string>;
}

const at = (name: string) => `/volumes/${encodeURIComponent(name)}`;

export async function list(
  context: Context,
  _args: string[],
  options: { quiet?: boolean; format: string },
): Promise<void> {
  const { Volumes } = await (await context.daemon()).json<{ Volumes: VolumeRow[] }>("GET", "/volumes");
  const rows = Volumes.sort((a, b) => (a.Name < b.Name ? -1 : 1));
  if (options.quiet) return print(rows.map(({ Name }) => Name).join("\n"));
  if (options.format === "json") return printJson(rows);
  if (options.format !== "table") return printListing(options.format, volumeListing("array"), rows);
  print(
    table(
      ["VOLUME", "STACK", "WHERE"],
      rows.map(({ Name, Labels, Mountpoint }) => [
        Name,
        Labels["com.docker.compose.project"] ?? "-",
        Mountpoint,
      ]),
    ),
  );
}

export async function inspect(context: Context, names: string[]): Promise<void> {
  const client = await context.daemon();
  printJson(await Promise.all(names.map((name) => client.json("GET", at(name)))));
}

export async function remove(context: Context, names: string[], options: { force?: boolean }): Promise<void> {
  const client = await context.daemon();
  for (const name of names) {
    await client.json("DELETE", `${at(name)}?force=${options.force ? 1 : 0}`);
    print(`removed volume ${name}`);
  }
}
