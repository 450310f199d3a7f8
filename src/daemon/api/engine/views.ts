/** Views of containers, images, networks and volumes for the filters. */
import { type ContainerManager, type ContainerRecord, volumesOf } from "../../../container/index.ts";
import { familiarReference, type ImageRecord, isUntagged } from "../../../image/index.ts";
import type { NetworkRecord } from "../../../network/index.ts";
import type {
  ContainerLookup,
  ContainerView,
  ImageView,
  NetworkView,
  PortView,
  VolumeView,
} from "./list-filters.ts";
import { DOCKER_STATE } from "./shapes.ts";

export function containerView(manager: ContainerManager, record: ContainerRecord): ContainerView {
  const { config, state, id, createdAt } = record;
  const bound = state.boundPorts.flatMap(({ hostPort, containerPort, protocol }) => [
    { port: hostPort, protocol },
    { port: containerPort, protocol },
  ]);
  return {
    id,
    name: config.name,
    labels: config.labels,
    status: DOCKER_STATE[state.status] ?? state.status,
    health: manager.health(id),
    exitCode: state.exitCode,
    createdAt,
    image: config.image,
    imageId: config.imageId,
    networks: record.endpoints.map(({ network }) => ({
      name: network,
      id: manager.networks.get(network)?.id ?? network,
    })),
    mounts: config.mounts.flatMap((mount) =>
      mount.type === "tmpfs" ? [mount.target] : [mount.source, mount.target],
    ),
    published: bound,
    exposed: [...config.exposed.map(exposedPort), ...bound],
  };
}

function exposedPort(text: string): PortView {
  const [port = "", protocol = "tcp"] = text.split("/");
  return { port: Number(port), protocol };
}

export function containerLookup(manager: ContainerManager): ContainerLookup {
  return {
    createdAt: (nameOrId) => manager.get(nameOrId).createdAt,
    descendants: (image) => descendantsOf(manager, image),
  };
}

/** IDs of an image, and of those whose layers begin with all of its layers. */
function descendantsOf({ images }: ContainerManager, name: string): Set<string> {
  const known = findImage(images.records, name);
  if (!known) return new Set();
  const layersOf = (record: ImageRecord) => images.configOf(record).rootfs.diff_ids;
  const base = layersOf(known);
  const isMadeFrom = (record: ImageRecord) => {
    const layers = layersOf(record);
    return base.length > 0 && base.every((layer, index) => layers[index] === layer);
  };
  const others = images.records.list().filter((record) => record.id === known.id || isMadeFrom(record));
  return new Set([known.id, ...others.map(({ id }) => id)]);
}

function findImage(records: ContainerManager["images"]["records"], name: string): ImageRecord | undefined {
  try {
    return records.need(name);
  } catch {
    return undefined; // as in Docker, a filter by an image that does not exist matches no container
  }
}

export function imageView(manager: ContainerManager, record: ImageRecord): ImageView {
  const { images } = manager;
  const same = images.records.list().filter(({ id }) => id === record.id);
  return {
    id: record.id,
    labels: () => images.configOf(record).config?.Labels ?? {},
    createdAt: record.createdAt,
    names: same.flatMap(({ reference }) => (isUntagged(reference) ? [] : [familiarReference(reference)])),
  };
}

export function networkView({ id, config }: NetworkRecord, used: ReadonlySet<string>): NetworkView {
  return {
    id,
    name: config.name,
    driver: config.driver,
    labels: config.labels,
    isUsed: used.has(config.name),
  };
}

export function volumeView(
  { config }: ReturnType<ContainerManager["volumes"]["list"]>[number],
  used: ReadonlySet<string>,
): VolumeView {
  return { name: config.name, driver: "local", labels: config.labels, isUsed: used.has(config.name) };
}

/** Names of the networks that containers use, running or not. */
export const usedNetworks = (manager: ContainerManager): Set<string> =>
  new Set(manager.endpoints().map(({ endpoint }) => endpoint.network));

/** Names of the volumes that containers use, running or not. */
export const usedVolumes = (manager: ContainerManager): Set<string> =>
  new Set(
    manager.list().flatMap(({ config, anonymousVolumes }) => [...volumesOf(config), ...anonymousVolumes]),
  );
