/** `bay container …` for any container by its name or ID: what the commands on a stack's containers do not do. */
import { BayError, messageOf } from "../../../core/errors.ts";
import { askEach } from "../../ask-each.ts";
import type { Context } from "../../context.ts";
import { filterQuery } from "../../filter-query.ts";
import { type ContainerRow, containersOf } from "../../named-containers.ts";
import type { Inspected } from "../../ui/container-text.ts";
import { print } from "../../ui/output.ts";
import type { ContainerOptions } from "./container-request.ts";

type Handler<Options, Result> = (context: Context, args: string[], options: Options) => Promise<Result>;

/** The same command with names of containers only: a name is never that of a service. */
export const byName =
  <Options, Result>(handler: Handler<Options, Result>): Handler<Options, Result> =>
  (context, args, options) => {
    context.hasContainersOnly = true;
    return handler(context, args, options);
  };

interface ListOptions {
  all?: boolean;
  quiet?: boolean;
  last?: number;
  size?: boolean;
  filter?: string[];
  trunc?: boolean;
  format: string;
}

/** `bay container ls`: containers of all stacks and of none. */
export async function list(context: Context, _args: string[], options: ListOptions): Promise<void> {
  const client = await context.daemon();
  const query = new URLSearchParams({ all: options.all ? "1" : "0", size: options.size ? "1" : "0" });
  if (options.last !== undefined) query.set("limit", String(options.last));
  const rows = await client.json<ContainerRow[]>(
    "GET",
    `/containers/json?${query}&filters=${filterQuery(options.filter)}`,
  );
  if (options.quiet)
    return print(rows.map(({ Id }) => (options.trunc === false ? Id : Id.slice(0, 12))).join("\n"));
  const { psListing } = await import("../../ui/ps-listing.ts");
  const { column, printListing } = await import("../../ui/listing.ts");
  const { humanBytes } = await import("../../ui/output.ts");
  const all = await askEach(rows, async (row) => ({
    row,
    inspected: await client.json<Inspected>("GET", `/containers/${row.Id}/json`),
  }));
  const listing = psListing(options.trunc === false);
  const sized = {
    ...listing.columns,
    Size: column("SIZE", ({ row }: (typeof all)[number]) => humanBytes(row.SizeRw ?? 0)),
  };
  const shown = ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];
  await printListing(
    options.format,
    {
      ...listing,
      columns: options.size ? sized : listing.columns,
      shown: options.size ? [...shown, "Size"] : shown,
    },
    all,
  );
}

/** Does one thing to each container; the others are done even if one fails. Throws SOME_FAILED. */
async function each(names: readonly string[], deed: (name: string) => Promise<void>): Promise<void> {
  const failed: string[] = [];
  for (const name of names) await deed(name).catch((error: unknown) => failed.push(messageOf(error)));
  if (failed.length > 0) throw new BayError("SOME_FAILED", failed.join("\n"));
}

/** `bay container rm`: as docker's, without a question. */
export async function remove(
  context: Context,
  names: string[],
  options: { force?: boolean; volumes?: boolean },
): Promise<void> {
  const client = await context.client();
  const query = `v=${options.volumes ? 1 : 0}&force=${options.force ? 1 : 0}`;
  await each(names, async (name) => {
    await client.json("DELETE", `/containers/${encodeURIComponent(name)}?${query}`);
    print(name);
  });
}

/** `bay container update`: limits and the restart policy. */
export async function update(context: Context, names: string[], options: ContainerOptions): Promise<void> {
  const { updateRequest } = await import("./container-request.ts");
  const body = await updateRequest(options);
  if (Object.values(body).every((value) => value === undefined))
    throw new BayError("BAD_OPTION", "no option says what to change", {
      hint: "bay container update --help lists them",
    });
  const client = await context.client();
  await each(names, async (name) => {
    await client.json("POST", `/containers/${encodeURIComponent(name)}/update`, body);
    print(name);
  });
}

/** `bay container wait`: prints the exit codes; the command itself exits with 0, as docker wait does. */
export async function wait(context: Context, names: string[]): Promise<void> {
  const { client, rows } = await containersOf(context, names);
  const ends = rows.map(({ Id }) => client.json<{ StatusCode: number }>("POST", `/containers/${Id}/wait`));
  for (const { StatusCode } of await Promise.all(ends)) print(String(StatusCode));
}

interface StartOptions {
  attach?: boolean;
  interactive?: boolean;
  detachKeys?: string;
}

/** `bay container start`; with --attach, one container, whose exit code is the command's. */
export async function start(context: Context, names: string[], options: StartOptions): Promise<number> {
  const client = await context.client();
  if (!options.attach && !options.interactive) {
    await each(names, async (name) => {
      await client.json("POST", `/containers/${encodeURIComponent(name)}/start`);
      print(name);
    });
    return 0;
  }
  const [name, ...others] = names;
  if (others.length > 0) throw new BayError("BAD_OPTION", "--attach and --interactive expect one container");
  const { Id, Config } = await client.json<{ Id: string; Config: { Tty: boolean } }>(
    "GET",
    `/containers/${encodeURIComponent(name!)}/json`,
  );
  const { startAttached } = await import("./start-attached.ts");
  const { detachKeys } = options;
  return startAttached(client, Id, { tty: Config.Tty, stdin: options.interactive ?? false, detachKeys });
}

/** `bay container port`: all published ports, or one. */
export async function port(context: Context, [name, wanted]: string[]): Promise<void> {
  if (wanted !== undefined) {
    const { port: one } = await import("./port.ts");
    return one(context, [name!, wanted], { protocol: "tcp" });
  }
  const { rows } = await containersOf(context, [name!]);
  for (const row of rows)
    for (const { IP = "", PrivatePort, PublicPort, Type } of row.Ports)
      if (PublicPort !== undefined)
        print(`${PrivatePort}/${Type} -> ${IP.includes(":") ? `[${IP}]` : IP}:${PublicPort}`);
}
