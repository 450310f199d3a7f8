/** What the containers of a stack need and this host does not have: sources of mounts, devices, containers. Changes nothing. */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { type ContainerRecord, findContainer } from "../../container/index.ts";
import { DOCKER_SOCKETS } from "../../core/docker-sockets.ts";
import type { Service, Stack } from "../../stack/index.ts";

/** One line for each, by service. Sources that bay creates are not missing, if it can create them. */
export function missingOn(stack: Stack, records: readonly ContainerRecord[]): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const service of Object.values(stack.services)) {
    const missing = [
      ...missingMounts(service, stack),
      ...missingDevices(service),
      ...missingContainers(service, stack, records),
    ];
    if (missing.length > 0) found[service.name] = missing;
  }
  return found;
}

function missingMounts({ name, mounts }: Service, stack: Stack): string[] {
  return mounts.flatMap((mount) => {
    if (mount.type === "bind") {
      const { source, createSource } = mount;
      if (DOCKER_SOCKETS.includes(source) || kindOf(source)) return [];
      const where = `services.${name}.volumes`;
      if (!createSource)
        return [
          `${where}: ${source} does not exist; create it, or set create_host_path: true to create a directory`,
        ];
      const parent = nearestParent(source);
      return kindOf(parent) === "directory"
        ? []
        : [`${where}: ${source} cannot be created: ${parent} is not a directory`];
    }
    const device = mount.type === "volume" ? stack.volumes[mount.source]?.device : undefined;
    if (device === undefined || kindOf(device) === "directory") return [];
    const state = kindOf(device) ? "is not a directory" : "does not exist; create it first";
    return [`volumes.${(mount as { source: string }).source}.driver_opts.device: ${device} ${state}`];
  });
}

const missingDevices = ({ name, devices }: Service): string[] =>
  devices.flatMap(({ source }) =>
    kindOf(source) ? [] : [`services.${name}.devices: ${source} does not exist on this host`],
  );

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

function kindOf(path: string): "directory" | "other" | undefined {
  try {
    return statSync(path).isDirectory() ? "directory" : "other";
  } catch {
    return undefined;
  }
}

function nearestParent(path: string): string {
  const parent = dirname(path);
  return kindOf(parent) || parent === path ? parent : nearestParent(parent);
}
