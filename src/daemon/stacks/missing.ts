/** What the containers of a stack need and this host does not have: sources of mounts, devices, containers. Changes nothing. */
import { dirname } from "node:path";
import { type ContainerRecord, findContainer } from "../../container/index.ts";
import { DOCKER_SOCKETS } from "../../core/docker-sockets.ts";
import type { Service, Stack } from "../../stack/index.ts";
import { type FileKind, FileKinds } from "./file-kinds.ts";

/** The questions of this process: a path that does not respond is not asked about twice. */
const kinds = new FileKinds();

/**
 * One line for each, by service. Sources that bay creates are not missing, if it can create them. A source that does not
 * respond within 2 seconds has a line, too.
 */
export async function missingOn(
  stack: Stack,
  records: readonly ContainerRecord[],
): Promise<Record<string, string[]>> {
  const found = await Promise.all(
    Object.values(stack.services).map(async (service) => {
      const lines = [
        ...service.mounts.map((mount) => missingMount(service.name, mount, stack)),
        ...service.devices.map(({ source }) => missingDevice(service.name, source)),
      ];
      const missing = [...(await Promise.all(lines)), ...missingContainers(service, stack, records)];
      return [service.name, missing.filter((line) => line !== undefined)] as const;
    }),
  );
  return Object.fromEntries(found.filter(([, missing]) => missing.length > 0));
}

async function missingMount(
  service: string,
  mount: Service["mounts"][number],
  stack: Stack,
): Promise<string | undefined> {
  if (mount.type === "bind") {
    const { source, createSource } = mount;
    return DOCKER_SOCKETS.includes(source)
      ? undefined
      : missingBind(`services.${service}.volumes`, source, createSource);
  }
  const device = mount.type === "volume" ? stack.volumes[mount.source]?.device : undefined;
  if (device === undefined) return undefined;
  const where = `volumes.${(mount as { source: string }).source}.driver_opts.device`;
  switch (await kinds.kindOf(device)) {
    case "other":
      return `${where}: ${device} is not a directory`;
    case "none":
      return `${where}: ${device} does not exist; create it first`;
    case "silent":
      return silent(where, device);
    default:
      return undefined;
  }
}

async function missingBind(
  where: string,
  source: string,
  createSource: boolean,
): Promise<string | undefined> {
  const kind = await kinds.kindOf(source);
  if (kind === "silent") return silent(where, source);
  if (kind !== "none") return undefined;
  if (!createSource)
    return `${where}: ${source} does not exist; create it, or set create_host_path: true to create a directory`;
  const { parent, kind: parentKind } = await nearestParent(source);
  if (parentKind === "silent") return silent(where, parent);
  return parentKind === "other" || parentKind === "none"
    ? `${where}: ${source} cannot be created: ${parent} is not a directory`
    : undefined;
}

async function missingDevice(service: string, source: string): Promise<string | undefined> {
  const where = `services.${service}.devices`;
  const kind = await kinds.kindOf(source);
  if (kind === "silent") return silent(where, source);
  return kind === "none" ? `${where}: ${source} does not exist on this host` : undefined;
}

const silent = (where: string, path: string) =>
  `${where}: ${path} does not respond; check the file server or the disk that it is on`;

/** Containers outside of the stack whose namespaces the service shares. */
function missingContainers(service: Service, stack: Stack, records: readonly ContainerRecord[]): string[] {
  const isOfStack = (name: string) =>
    Object.values(stack.services).some(
      (other) => name === other.containerName || name.startsWith(`${stack.name}-${other.name}-`),
    );
  const modes = { network_mode: service.networkMode, ipc: service.ipcMode, pid: service.pidMode };
  return Object.entries(modes).flatMap(([key, mode]) => {
    const name = /^container:(.+)$/.exec(mode)?.[1];
    if (name === undefined || isOfStack(name) || findContainer(records, name)) return [];
    return [`services.${service.name}.${key}: the container ${name} does not exist`];
  });
}

/** The nearest parent directory that is not missing, or the root. */
async function nearestParent(path: string): Promise<{ parent: string; kind: FileKind }> {
  const parent = dirname(path);
  const kind = await kinds.kindOf(parent);
  return kind !== "none" || parent === path ? { parent, kind } : nearestParent(parent);
}
