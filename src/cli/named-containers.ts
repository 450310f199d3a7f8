/** The containers that a command's arguments name: services of the stack, or containers by name or ID. */
import { BayError, hasCode } from "../core/errors.ts";
import type { Client } from "../daemon/index.ts";
import type { Context } from "./context.ts";

/** A container as in the list of the Docker Engine API. */
export interface ContainerRow {
  Id: string;
  Names: string[];
  Image: string;
  ImageID: string;
  Command: string;
  Created: number;
  State: string;
  Status: string;
  /** Bytes of the writable layer, if the request asked for sizes. */
  SizeRw?: number;
  Labels: Record<string, string>;
  /** The host of the cluster; only in lists of all hosts. */
  Host?: string;
  /** The last two are not in the list of the Engine API. */
  HostConfig: { NetworkMode: string; PidMode?: string; IpcMode?: string };
  Ports: { IP?: string; PrivatePort: number; PublicPort?: number; Type: string }[];
}

export const nameOf = (row: ContainerRow) => row.Names[0]!.slice(1);
export const serviceOf = (row: ContainerRow) => row.Labels["com.docker.compose.service"] ?? "";
export const numberOf = (row: ContainerRow) => Number(row.Labels["com.docker.compose.container-number"] ?? 0);
/** Another container still has its name: this one replaces it. */
const isAside = (row: ContainerRow) => /^[0-9a-f]{12}_/.test(nameOf(row));
const isOneOff = (row: ContainerRow) => row.Labels["com.docker.compose.oneoff"] === "True";

/** The stack's containers, ordered by service and number. Throws UNKNOWN_SERVICE for a name without containers. */
export async function stackContainers(
  client: Client,
  stack: string,
  options: { services?: string[]; all?: boolean; oneOff?: boolean; known?: readonly string[] } = {},
): Promise<ContainerRow[]> {
  return chooseContainers(await listContainers(client, stack, options.all), stack, options);
}

/** All of a stack's containers, in any order. */
export function listContainers(client: Client, stack: string, all = true): Promise<ContainerRow[]> {
  const filters = encodeURIComponent(JSON.stringify({ label: [`com.docker.compose.project=${stack}`] }));
  return client.json<ContainerRow[]>("GET", `/containers/json?all=${all ? 1 : 0}&filters=${filters}`);
}

/** The containers of some services, ordered; `known` are the services of the stack file. Throws UNKNOWN_SERVICE. */
export function chooseContainers(
  rows: readonly ContainerRow[],
  stack: string,
  options: { services?: string[]; oneOff?: boolean; known?: readonly string[] },
): ContainerRow[] {
  const { known = [], services: wanted = [] } = options;
  const isNamed = (row: ContainerRow) => wanted.includes(nameOf(row)) && !known.includes(nameOf(row));
  // a one-off container is not one of its service, but has a name of its own
  const counted = rows.filter((row) => options.oneOff || !isOneOff(row) || isNamed(row));
  // a service of the file without a container is not an error: there is nothing to do
  for (const service of wanted.filter((name) => !known.includes(name))) {
    if (counted.some((row) => serviceOf(row) === service || nameOf(row) === service)) continue;
    const names = [...new Set([...known, ...counted.map(serviceOf)])].filter(Boolean).sort();
    throw new BayError("UNKNOWN_SERVICE", `the stack ${stack} has no service ${service}`, {
      hint: names.length > 0 ? `its services are: ${names.join(", ")}` : "bay ps -a shows its containers",
    });
  }
  return counted
    .filter((row) => wanted.length === 0 || wanted.includes(serviceOf(row)) || wanted.includes(nameOf(row)))
    .sort((a, b) =>
      serviceOf(a) === serviceOf(b)
        ? numberOf(a) - numberOf(b) || Number(isAside(a)) - Number(isAside(b))
        : serviceOf(a) < serviceOf(b)
          ? -1
          : 1,
    );
}

export interface ChosenContainers {
  client: Client;
  rows: ContainerRow[];
  /** Undefined if there is no stack file: the names are those of containers. */
  stack: string | undefined;
}

/**
 * The stack's containers of some services. A name that is not a service of the stack can be the name or ID of any other
 * container; without a stack file, all names are. Throws UNKNOWN_SERVICE, CONTAINER_NOT_FOUND, and NO_STACK_FILE if no name is given.
 */
export async function containersOf(
  context: Context,
  services: string[],
  options: { all?: boolean; oneOff?: boolean } = {},
): Promise<ChosenContainers> {
  const stack = await stackFor(context, services);
  const client = await context.client();
  if (services.length > 0 && stack !== undefined) await context.learnServices();
  const own = stack === undefined ? [] : await listContainers(client, stack, options.all);
  const known = context.knownServices;
  // a container of bay run is none of its service's, but its own name selects it as that of any other container
  const counted = own.filter((row) => options.oneOff || !isOneOff(row));
  const isOfStack = (name: string) =>
    known.includes(name) || counted.some((row) => serviceOf(row) === name || nameOf(row) === name);
  const others = await containersByName(
    client,
    services.filter((name) => !isOfStack(name)),
    stack === undefined,
    context.hasContainersOnly
      ? "bay container ls -a lists the containers"
      : "without a stack file, names are those of containers; -f selects a stack file",
  );
  const named = services.filter((name) => !others.has(name));
  const ofStack =
    stack === undefined || (named.length === 0 && services.length > 0)
      ? []
      : chooseContainers(own, stack, { services: named, known, ...options });
  return { client, rows: [...ofStack, ...others.values()], stack };
}

/** The name of the stack; undefined without a stack file, if names are given. */
async function stackFor(context: Context, names: readonly string[]): Promise<string | undefined> {
  if (context.hasContainersOnly) return undefined;
  try {
    return await context.stackName();
  } catch (error) {
    if (names.length > 0 && hasCode(error, "NO_STACK_FILE") && !context.options.file) return undefined;
    throw error;
  }
}

const SHORTEST_ID = 4;

/** Containers of this host by name or the beginning of their ID. With `all`, throws CONTAINER_NOT_FOUND for a name without one. */
async function containersByName(
  client: Client,
  names: readonly string[],
  all: boolean,
  hint: string,
): Promise<Map<string, ContainerRow>> {
  const found = new Map<string, ContainerRow>();
  if (names.length === 0) return found;
  const rows = await client.json<ContainerRow[]>("GET", "/containers/json?all=1");
  for (const name of names) {
    const byId = rows.filter(({ Id }) => name.length >= SHORTEST_ID && Id.startsWith(name));
    const row = rows.find((each) => nameOf(each) === name) ?? (byId.length === 1 ? byId[0] : undefined);
    if (row) found.set(name, row);
    else if (all) throw new BayError("CONTAINER_NOT_FOUND", `the container ${name} does not exist`, { hint });
  }
  return found;
}

/** One container of a service, selected by --index. Throws NO_CONTAINER, UNKNOWN_SERVICE. */
export async function oneContainer(
  context: Context,
  service: string,
  index?: number,
): Promise<{ client: Client; row: ContainerRow }> {
  const { client, rows } = await containersOf(context, [service]);
  const row = rows.find((candidate) => index === undefined || numberOf(candidate) === index);
  if (!row)
    throw new BayError(
      "NO_CONTAINER",
      index === undefined || rows.length === 0
        ? `the service ${service} has no container`
        : `the service ${service} has no container with the number ${index}`,
      {
        hint:
          rows.length === 0
            ? `bay up ${service} creates one`
            : `its numbers are: ${rows.map(numberOf).join(", ")}`,
      },
    );
  return { client, row };
}

/** The ID of a container by name or ID, else of the stack's container of a service. Throws like `oneContainer`. */
export async function containerOrService(
  context: Context,
  name: string,
  index?: number,
): Promise<{ client: Client; id: string }> {
  const client = await context.client();
  if (index !== undefined) return { client, id: (await oneContainer(context, name, index)).row.Id };
  try {
    const { Id } = await client.json<{ Id: string }>("GET", `/containers/${encodeURIComponent(name)}/json`);
    return { client, id: Id };
  } catch (error) {
    if (!hasCode(error, "CONTAINER_NOT_FOUND")) throw error;
    const { row } = await oneContainer(context, name);
    return { client, id: row.Id };
  }
}
