/** This host's containers in the form in which other hosts learn of them. */
import { type ContainerManager, type ContainerRecord, LABELS } from "../../container/index.ts";
import type { SharedContainer } from "../../host/index.ts";

/** Containers of stacks, and all with an overlay network; a stopped one has no addresses. */
export function sharedContainers(manager: ContainerManager): SharedContainer[] {
  const overlays = new Set(manager.networks.overlays.list().map(({ config }) => config.name));
  return manager.list().flatMap((record) => {
    const stack = record.config.labels[LABELS.stack];
    const isOnOverlay = record.endpoints.some(({ network }) => overlays.has(network));
    if (record.role || (stack === undefined && !isOnOverlay)) return [];
    return [shared(manager, record, overlays)];
  });
}

function shared(
  manager: ContainerManager,
  { id, config, state, endpoints }: ContainerRecord,
  overlays: ReadonlySet<string>,
): SharedContainer {
  const { [LABELS.stack]: stack, [LABELS.service]: service, [LABELS.number]: number } = config.labels;
  const isRunning = state.status === "running" || state.status === "paused";
  return {
    id,
    name: config.name,
    ...(stack ? { stack } : {}),
    ...(service ? { service } : {}),
    ...(number ? { number: Number(number) } : {}),
    status: state.status,
    health: config.health ? manager.health(id) : "none",
    ...(state.exitCode === undefined ? {} : { exitCode: state.exitCode }),
    endpoints: endpoints
      .filter(({ network }) => isRunning && overlays.has(network))
      .map(({ network, address, address6, mac, aliases }) => ({
        network,
        address,
        ...(address6 === undefined ? {} : { address6 }),
        mac,
        aliases,
      })),
  };
}
