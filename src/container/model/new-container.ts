/** The record of a new container. */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { BayError } from "../../core/errors.ts";
import { addressesOf } from "../../network/index.ts";
import { VolumeStore } from "../../volume/index.ts";
import { type ContainerConfig, type MountConfig, withoutAnonymousNames } from "./config.ts";
import type { Host } from "./host.ts";
import { type ContainerRecord, initialState } from "./record.ts";

/**
 * Returns a record with an ID, volumes for its anonymous mounts (those of a predecessor, if `inherited` has them by target)
 * and addresses that are free, or will be when `instead` is removed. Throws NAME_TAKEN, ADDRESS_TAKEN, BAD_ADDRESS. It is
 * synchronous, and so must be the caller's registration, so that no other container gets them meanwhile.
 */
export function newRecord(
  host: Host,
  others: readonly ContainerRecord[],
  config: ContainerConfig,
  inherited: Readonly<Record<string, string>>,
  instead?: ContainerRecord,
): ContainerRecord {
  const clash = others.find((other) => other.config.name === config.name && other !== instead);
  if (clash) {
    const message = `the name ${config.name} is taken by the container ${clash.id.slice(0, 12)}`;
    throw new BayError("NAME_TAKEN", message);
  }
  const anonymousVolumes: string[] = [];
  const mounts = withVolumesOf(config, others).map((mount) => {
    if (mount.type !== "volume" || mount.source !== "") return mount;
    const source = inherited[mount.target] ?? VolumeStore.newAnonymousName();
    anonymousVolumes.push(source);
    return { ...mount, source };
  });
  const id = randomBytes(32).toString("hex");
  const freed = new Set(instead?.endpoints.flatMap(addressesOf));
  return {
    id,
    createdAt: new Date().toISOString(),
    config: { ...config, mounts, hostname: config.hostname || defaultName(config, id) },
    endpoints: config.networks.map(({ network, ...wanted }, index) =>
      host.networks.endpoints.allocate(network, wanted, index, freed),
    ),
    anonymousVolumes,
    isPrepared: false,
    state: initialState(),
  };
}

/**
 * Adds the anonymous volumes of other containers at paths without a mount. Throws VOLUMES_FROM if a container does not exist.
 */
function withVolumesOf(
  { name, mounts, volumesFrom = [] }: ContainerConfig,
  others: readonly ContainerRecord[],
): MountConfig[] {
  const all = [...mounts];
  for (const { container, readOnly } of volumesFrom) {
    const owner = others.find(({ config }) => config.name === container);
    if (!owner)
      throw new BayError("VOLUMES_FROM", `${name} uses the volumes of ${container}, which does not exist`);
    for (const mount of owner.config.mounts) {
      if (mount.type !== "volume") continue;
      if (mount.from === undefined && !owner.anonymousVolumes.includes(mount.source)) continue;
      const { source, target } = mount;
      const place = all.findIndex((own) => own.target === target);
      const before = all[place];
      if (before && !(before.type === "volume" && before.isOfImage)) continue;
      all.splice(place === -1 ? all.length : place, before ? 1 : 0, {
        type: "volume",
        source,
        target,
        readOnly: readOnly || mount.readOnly,
        noCopy: true,
        from: container,
      });
    }
  }
  return all;
}

/** On the host's network a container has the host's hostname, as in Docker. */
function defaultName(config: ContainerConfig, id: string): string {
  return config.networkMode === "host" ? hostname() : id.slice(0, 12);
}

/** The anonymous volumes of a container, by where they are mounted. */
export function anonymousVolumesOf({ config, anonymousVolumes }: ContainerRecord): Record<string, string> {
  const own = config.mounts.flatMap((mount) =>
    mount.type === "volume" && anonymousVolumes.includes(mount.source) ? [[mount.target, mount.source]] : [],
  );
  return Object.fromEntries(own);
}

/** A container's config as it was requested, without generated names of anonymous volumes and hostname. */
export function configAsGiven({ id, config, anonymousVolumes }: ContainerRecord): ContainerConfig {
  return {
    ...config,
    hostname: config.hostname === defaultName(config, id) ? "" : config.hostname,
    mounts: withoutAnonymousNames(config.mounts, anonymousVolumes),
  };
}
