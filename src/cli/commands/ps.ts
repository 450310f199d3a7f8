import { BayError, hasCode } from "../../errors.ts";
import {
  type ContainerRow,
  type Context,
  chooseContainers,
  listContainers,
  nameOf,
  serviceOf,
} from "../context.ts";
import { humanAge, print, table } from "../ui/output.ts";

interface PsOptions {
  all?: boolean;
  quiet?: boolean;
  services?: boolean;
  filter?: string[];
  format: string;
}

interface Inspected {
  Id: string;
  Name: string;
  Created: string;
  Image: string;
  State: {
    Status: string;
    Pid: number;
    ExitCode: number;
    StartedAt: string;
    FinishedAt: string;
    OOMKilled: boolean;
    /** "out of memory", "killed by SIGTERM"; empty where it ended by itself. */
    EndedBy?: string;
    Health?: { Status: string };
  };
  Config: { Image: string; Labels: Record<string, string> };
}

export async function ps(context: Context, services: string[], options: PsOptions): Promise<void> {
  const { rows, inspect } = await load(context, services, options);
  if (options.quiet) return print(rows.map((row) => row.Id).join("\n"));
  if (options.services) return print([...new Set(rows.map(serviceOf))].map((name) => name).join("\n"));
  if (options.format === "json") {
    const all = await Promise.all(rows.map(async (row) => toJson(row, await inspect(row.Id))));
    return print(JSON.stringify(all, null, 2));
  }
  const cells = rows.map((row) => [
    nameOf(row),
    row.Image,
    serviceOf(row),
    humanAge(Date.now() - row.Created * 1000),
    row.Status,
    publishers(row).map(portText).join(", "),
  ]);
  print(table(["NAME", "IMAGE", "SERVICE", "CREATED", "STATUS", "PORTS"], cells));
}

interface Listed {
  rows: ContainerRow[];
  inspect: (id: string) => Promise<Inspected>;
}

/** From bayd, or from the records and the kernel where none runs. */
async function listed(context: Context, name: string): Promise<Listed> {
  const client = await context.client();
  try {
    const rows = await listContainers(client, name);
    return { rows, inspect: (id) => client.json<Inspected>("GET", `/containers/${id}/json`) };
  } catch (error) {
    if (!hasCode(error, "NO_DAEMON")) throw error;
  }
  const { offlineContainers } = await import("../../daemon/offline.ts");
  const known = offlineContainers(context.roots, name);
  if (known.length > 0)
    process.stderr.write("warning: no bayd runs, so nothing restarts and health is not known\n");
  return {
    rows: known.map(({ row }) => row as ContainerRow),
    inspect: async (id) => known.find(({ inspected }) => inspected.Id === id)!.inspected,
  };
}

async function load(context: Context, services: string[], options: PsOptions): Promise<Listed> {
  const filters = Object.fromEntries(
    (options.filter ?? []).map((text) => text.split(/=(.*)/s) as [string, string]),
  );
  checkFilters(filters);
  const name = await context.stackName();
  const { rows, inspect } = await listed(context, name);
  const isWanted = (row: ContainerRow) =>
    (filters.status
      ? row.State === filters.status
      : options.all || ["running", "paused", "restarting"].includes(row.State)) &&
    (!filters.service || serviceOf(row) === filters.service);
  return {
    rows: chooseContainers(rows, name, { services, oneOff: true, known: context.knownServices }).filter(
      isWanted,
    ),
    inspect,
  };
}

const STATES = ["created", "running", "paused", "restarting", "exited", "dead"];

function checkFilters(filters: Record<string, string | undefined>): void {
  for (const [key, value] of Object.entries(filters)) {
    if (key !== "status" && key !== "service")
      throw new BayError("BAD_OPTION", `--filter ${key} is not known; status=STATE and service=NAME are`);
    if (!value || (key === "status" && !STATES.includes(value)))
      throw new BayError(
        "BAD_OPTION",
        `--filter ${key} wants ${key === "status" ? STATES.join(", ") : "a name"}`,
      );
  }
}

function publishers(row: ContainerRow) {
  // what has ended publishes nothing
  if (!["running", "paused", "restarting"].includes(row.State)) return [];
  return row.Ports.filter((port) => port.PublicPort !== undefined).map((port) => ({
    URL: port.IP ?? "",
    TargetPort: port.PrivatePort,
    PublishedPort: port.PublicPort!,
    Protocol: port.Type,
  }));
}

const portText = ({ URL, TargetPort, PublishedPort, Protocol }: ReturnType<typeof publishers>[number]) =>
  `${URL.includes(":") ? `[${URL}]` : URL}:${PublishedPort}->${TargetPort}/${Protocol}`;

function toJson(row: ContainerRow, { State, Created }: Inspected) {
  return {
    ID: row.Id,
    Name: nameOf(row),
    Service: serviceOf(row),
    Stack: row.Labels["com.docker.compose.project"] ?? "",
    Project: row.Labels["com.docker.compose.project"] ?? "",
    Image: row.Image,
    Command: row.Command,
    State: State.Status,
    Status: row.Status,
    Health: State.Health?.Status ?? "",
    ExitCode: State.ExitCode,
    OOMKilled: State.OOMKilled,
    EndedBy: State.EndedBy ?? "",
    Pid: State.Pid,
    CreatedAt: Created,
    StartedAt: State.StartedAt,
    FinishedAt: State.FinishedAt,
    Publishers: publishers(row),
    Labels: row.Labels,
  };
}
