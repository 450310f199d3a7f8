/** `bay host …`: the hosts of a cluster. */
import { BayError } from "../../../core/errors.ts";
import { TLS_PORT } from "../../../core/host-address.ts";
import type { Context } from "../../context.ts";
import { column, type Listing, printListing } from "../../ui/listing.ts";
import { humanAge, humanBytes, print, printJson, table } from "../../ui/output.ts";

interface HostRow {
  id: string;
  name: string;
  address: string;
  port: number;
  role: string;
  slot: number;
  labels: Record<string, string>;
  platform: { os: string; arch: string };
  capacity: { cpus: number; memoryBytes: number };
  isSelf: boolean;
  state: string;
  heardAt?: number;
  version?: string;
  problem?: string;
  containers?: number;
}

interface OwnOptions {
  name?: string;
  address?: string;
  port?: number;
  label?: string[];
}

const at = (name: string, action = "") => `/bay/v1/hosts/${encodeURIComponent(name)}${action}`;

/** KEY=VALUE pairs. Throws BAD_OPTION. */
function readLabels(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const mark = pair.indexOf("=");
      if (mark < 1) throw new BayError("BAD_OPTION", `expected KEY=VALUE, got ${JSON.stringify(pair)}`);
      return [pair.slice(0, mark), pair.slice(mark + 1)];
    }),
  );
}

const ownBody = ({ name, address, label = [] }: OwnOptions) => ({ name, address, labels: readLabels(label) });

export async function init(context: Context, _args: string[], options: OwnOptions): Promise<void> {
  const body = { ...ownBody(options), port: options.port };
  const host = await (await context.daemon()).json<HostRow>("POST", "/bay/v1/host/init", body);
  print(`created a cluster; its first host is ${host.name} at ${host.address}, TCP port ${host.port}`);
  print("run bay host invite to print the join command for another host");
}

export async function invite(context: Context, _args: string[], options: { ttl: number }): Promise<void> {
  const { token, address, port } = await (await context.daemon()).json<{
    token: string;
    address: string;
    port: number;
  }>("POST", "/bay/v1/host/invite", {
    lifetime: options.ttl,
  });
  const to = port === TLS_PORT ? address : `${address.includes(":") ? `[${address}]` : address}:${port}`;
  print(`bay host join ${to} --token ${token}`);
}

export async function join(
  context: Context,
  [address]: string[],
  options: OwnOptions & { token: string },
): Promise<void> {
  const { host: to, port } = readAddress(address!);
  const body = { ...ownBody(options), listenPort: options.port, to, port, token: options.token };
  const host = await (await context.daemon()).json<HostRow>("POST", "/bay/v1/host/join", body);
  print(`this host is a member of the cluster: ${host.name} at ${host.address}`);
}

/** ADDRESS, ADDRESS:PORT or [IPV6]:PORT. Throws BAD_OPTION. */
function readAddress(text: string): { host: string; port: number } {
  const { v6, bare, name, port } =
    /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<bare>[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)|(?<name>[\w.-]+))(?::(?<port>\d{1,5}))?$/.exec(
      text,
    )?.groups ?? {};
  const host = v6 ?? bare ?? name;
  const number = port === undefined ? TLS_PORT : Number(port);
  if (host !== undefined && number > 0 && number < 65_536) return { host, port: number };
  throw new BayError("BAD_OPTION", `expected ADDRESS or ADDRESS:PORT, got ${JSON.stringify(text)}`);
}

export async function list(
  context: Context,
  _args: string[],
  options: { quiet?: boolean; format: string },
): Promise<void> {
  const rows = await (await context.client()).json<HostRow[]>("GET", "/bay/v1/hosts");
  rows.sort((a, b) => (a.name < b.name ? -1 : 1));
  if (options.quiet) return print(rows.map(({ name }) => name).join("\n"));
  if (options.format === "json") return printJson(rows);
  if (options.format !== "table") return printListing(options.format, LISTING, rows);
  print(
    table(
      ["HOST", "ADDRESS", "STATE", "LAST HEARD", "VERSION", "CONTAINERS", "CPUS", "MEMORY", "LABELS"],
      rows.map((row) => [
        row.isSelf ? `${row.name} *` : row.name,
        row.address,
        row.state,
        heard(row),
        row.version ?? "-",
        String(row.containers ?? "-"),
        String(row.capacity.cpus),
        humanBytes(row.capacity.memoryBytes),
        labelText(row),
      ]),
    ),
  );
}

const heard = ({ isSelf, heardAt }: HostRow): string =>
  isSelf ? "-" : heardAt === undefined ? "never" : `${humanAge(Math.max(0, Date.now() - heardAt))} ago`;

const labelText = ({ labels }: HostRow) =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ") || "-";

const LISTING: Listing<HostRow> = {
  columns: {
    ID: column("ID", ({ id }) => id),
    Name: column("NAME", ({ name }) => name),
    Address: column("ADDRESS", ({ address }) => address),
    State: column("STATE", ({ state }) => state),
    Role: column("ROLE", ({ role }) => role),
    Version: column("VERSION", ({ version }) => version ?? ""),
    Containers: column("CONTAINERS", ({ containers }) => containers ?? ""),
    Labels: column("LABELS", labelText),
  },
  shown: ["Name", "Address", "State", "Version"],
  json: "array",
};

export async function inspect(context: Context, names: string[]): Promise<void> {
  const client = await context.client();
  printJson(await Promise.all(names.map((name) => client.json("GET", at(name)))));
}

export async function label(context: Context, [name, ...words]: string[]): Promise<void> {
  const removed = words
    .filter((word) => !word.includes("=") && word.endsWith("-"))
    .map((word) => word.slice(0, -1));
  const set = readLabels(words.filter((word) => word.includes("=") || !word.endsWith("-")));
  await (await context.client()).json("POST", at(name!, "/label"), { set, remove: removed });
  print(`labelled host ${name}`);
}

export async function move(context: Context, [name, address]: string[]): Promise<void> {
  await (await context.client()).json("POST", at(name!, "/move"), { address });
  print(`the host ${name} has the address ${address}`);
}

export async function remove(context: Context, names: string[]): Promise<void> {
  const client = await context.client();
  for (const name of names) {
    await client.json("DELETE", at(name));
    print(`removed host ${name}`);
  }
}

export async function rotate(context: Context): Promise<void> {
  await (await context.client()).json("POST", "/bay/v1/host/rotate", {});
  print("replaced the key and the certificate of this host");
}

export async function leave(context: Context): Promise<void> {
  await (await context.client()).json("POST", "/bay/v1/host/leave", {});
  print("this host has left the cluster");
}
