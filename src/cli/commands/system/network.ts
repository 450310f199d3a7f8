/** `bay network …`: networks of this host, of any stack. */
import type { Context } from "../../context.ts";
import { labelColumns } from "../../ui/label-columns.ts";
import { column, type Listing, printListing } from "../../ui/listing.ts";
import { print, printJson, table } from "../../ui/output.ts";

interface NetworkRow {
  Id: string;
  Name: string;
  Driver: string;
  IPAM: { Config: { Subnet: string }[] };
  Internal: boolean;
  Labels: Record<string, string>;
  Containers: Record<string, unknown>;
}

const at = (name: string) => `/networks/${encodeURIComponent(name)}`;

export async function list(
  context: Context,
  _args: string[],
  options: { quiet?: boolean; format: string },
): Promise<void> {
  const all = await (await context.daemon()).json<NetworkRow[]>("GET", "/networks");
  // Docker's clients expect predefined networks in the list, even while they have no addresses
  const rows = all.filter(({ IPAM }) => IPAM.Config.length > 0);
  rows.sort((a, b) => (a.Name < b.Name ? -1 : 1));
  if (options.quiet) return print(rows.map(({ Name }) => Name).join("\n"));
  if (options.format === "json") return printJson(rows);
  if (options.format !== "table") return printListing(options.format, LISTING, rows);
  print(
    table(
      ["NETWORK", "STACK", "DRIVER", "SUBNET", "INTERNAL", "CONTAINERS"],
      rows.map(({ Name, Labels, Driver, IPAM, Internal, Containers }) => [
        Name,
        Labels["com.docker.compose.project"] ?? "-",
        Driver,
        IPAM.Config.map(({ Subnet }) => Subnet).join(", "),
        Internal ? "yes" : "no",
        String(Object.keys(Containers).length),
      ]),
    ),
  );
}

/** The columns of `docker network ls`. */
const LISTING: Listing<NetworkRow> = {
  columns: {
    ID: column("NETWORK ID", ({ Id }) => Id.slice(0, 12)),
    Name: column("NAME", ({ Name }) => Name),
    Driver: column("DRIVER", ({ Driver }) => Driver),
    Scope: column("SCOPE", () => "local"),
    Internal: column("INTERNAL", ({ Internal }) => Internal),
    ...labelColumns(({ Labels }) => Labels),
  },
  shown: ["ID", "Name", "Driver", "Scope"],
  json: "array",
};

export async function inspect(context: Context, names: string[]): Promise<void> {
  const client = await context.daemon();
  printJson(await Promise.all(names.map((name) => client.json("GET", at(name)))));
}

export async function remove(context: Context, names: string[]): Promise<void> {
  const client = await context.daemon();
  for (const name of names) {
    await client.json("DELETE", at(name));
    print(`removed network ${name}`);
  }
}
