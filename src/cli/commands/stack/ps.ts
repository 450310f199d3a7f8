import { BayError, hasCode } from "../../../core/errors.ts";
import { askEach } from "../../ask-each.ts";
import type { Context } from "../../context.ts";
import {
  type ContainerRow,
  chooseContainers,
  listContainers,
  nameOf,
  serviceOf,
} from "../../named-containers.ts";
import { commandText, type Inspected, portsText } from "../../ui/container-text.ts";
import { humanAge, print, table } from "../../ui/output.ts";

interface PsOptions {
  all?: boolean;
  status?: string[];
  orphans?: boolean;
  trunc?: boolean;
  quiet?: boolean;
  services?: boolean;
  filter?: string[];
  format: string;
}

export async function ps(context: Context, services: string[], options: PsOptions): Promise<void> {
  const { rows, inspect } = await load(context, services, options);
  const isWhole = options.trunc === false;
  if (options.quiet) return print(rows.map((row) => row.Id).join("\n"));
  if (options.services) return print([...new Set(rows.map(serviceOf))].join("\n"));
  if (options.format === "table") {
    const cells = rows.map((row) => [
      nameOf(row),
      row.Image,
      commandText(row, isWhole),
      serviceOf(row),
      humanAge(Date.now() - row.Created * 1000),
      row.Status,
      portsText(row),
    ]);
    const head = ["NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"];
    if (rows.every(({ Host }) => Host === undefined)) return print(table(head, cells));
    const withHosts = cells.map((row, index) => [...row, rows[index]!.Host ?? ""]);
    return print(table([...head, "HOST"], withHosts));
  }
  const { psListing } = await import("../../ui/ps-listing.ts");
  const { printListing } = await import("../../ui/listing.ts");
  const all = await askEach(rows, async (row) => ({ row, inspected: await inspect(row.Id) }));
  await printListing(options.format, psListing(isWhole), all);
}

interface Listed {
  rows: ContainerRow[];
  inspect: (id: string) => Promise<Inspected>;
}

/** From bayd, or from the records and the kernel if it does not run. */
async function listed(context: Context, name: string): Promise<Listed> {
  const client = await context.client();
  try {
    const rows = await listContainers(client, name);
    return { rows, inspect: (id) => client.json<Inspected>("GET", `/containers/${id}/json`) };
  } catch (error) {
    if (!hasCode(error, "NO_DAEMON")) throw error;
  }
  const { offlineContainers } = await import("../../../daemon/stacks/offline.ts");
  const known = offlineContainers(context.roots, name);
  if (known.length > 0)
    process.stderr.write(
      "warning: bayd is not running, so containers are not restarted and their health is unknown\n",
    );
  return {
    rows: known.map(({ row }) => row as ContainerRow),
    inspect: async (id) => known.find(({ inspected }) => inspected.Id === id)!.inspected,
  };
}

async function load(context: Context, services: string[], options: PsOptions): Promise<Listed> {
  const filters = readFilters(options);
  const name = await context.stackName();
  if (services.length > 0 || options.orphans === false) await context.learnServices();
  const { rows, inspect } = await listed(context, name);
  const { knownServices } = context;
  const isWanted = (row: ContainerRow) =>
    (filters.status.length > 0
      ? filters.status.includes(row.State)
      : options.all || ["running", "paused", "restarting", "unknown"].includes(row.State)) &&
    (filters.service.length === 0 || filters.service.includes(serviceOf(row))) &&
    (options.orphans !== false || knownServices.includes(serviceOf(row)));
  return {
    rows: chooseContainers(rows, name, { services, oneOff: true, known: knownServices }).filter(isWanted),
    inspect,
  };
}

const STATES = ["created", "running", "paused", "restarting", "exited", "dead"];

/** --filter and --status; several values of one kind are alternatives. Throws BAD_OPTION. */
function readFilters(options: PsOptions): { status: string[]; service: string[] } {
  const found = { status: [...(options.status ?? [])], service: [] as string[] };
  for (const text of options.filter ?? []) {
    const [key = "", value = ""] = text.split(/=(.*)/s);
    if (key !== "status" && key !== "service")
      throw new BayError("BAD_OPTION", `--filter ${key}: expected status=STATE or service=NAME`);
    if (value === "") throw new BayError("BAD_OPTION", `--filter ${key}: expected ${key}=VALUE`);
    found[key].push(value);
  }
  const unknown = found.status.find((state) => !STATES.includes(state));
  if (unknown !== undefined)
    throw new BayError("BAD_OPTION", `invalid state ${unknown}`, { hint: `expected ${STATES.join(", ")}` });
  return found;
}
