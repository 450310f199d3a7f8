/** What a service asks of a host, beside its own words: the volumes and the services that it must be together with. */
import { ownersOf, type Service, type Stack } from "../stack/index.ts";

export interface LocalVolume {
  /** Its name on the host. */
  name: string;
  /** The stack does not create it. */
  isExternal: boolean;
}

/** A service with what its containers need on their host. */
export interface Demand {
  service: Service;
  /** The number of containers; undefined for one on each host. */
  count: number | undefined;
  /** Services whose namespaces or volumes its containers share. */
  partners: string[];
  volumes: LocalVolume[];
}

export type PlacedStack = Pick<Stack, "services" | "volumes">;

/** The demands of all services, by name. */
export function demandsOf(stack: PlacedStack, scale: Readonly<Record<string, number>>): Map<string, Demand> {
  const names = Object.keys(stack.services).sort();
  return new Map(
    names.map((name) => {
      const service = stack.services[name]!;
      const partners = [...ownersOf(service), ...(service.volumesFrom ?? []).map((from) => from.service)];
      const demand: Demand = {
        service,
        count: service.placement?.isGlobal
          ? undefined
          : ((Object.hasOwn(scale, name) ? scale[name] : undefined) ?? service.replicas),
        partners: [...new Set(partners)].filter((each) => each !== name).sort(),
        volumes: localVolumes(stack, service),
      };
      return [name, demand];
    }),
  );
}

/** Named volumes whose files are on one host. A directory or a file system that the file names is not among them. */
function localVolumes({ volumes }: PlacedStack, { mounts }: Service): LocalVolume[] {
  const keys = mounts.flatMap((mount) =>
    mount.type === "volume" && mount.source !== "" ? [mount.source] : [],
  );
  return [...new Set(keys)].sort().flatMap((key) => {
    const volume = volumes[key];
    if (!volume || volume.device !== undefined || volume.mount || volume.missingDriver) return [];
    return [{ name: volume.name, isExternal: volume.external }];
  });
}

/**
 * Services that must be on one host with a service, directly or through others: partners, and services that use the same
 * local volume. Services with one container on each host have volumes of their own.
 */
export function companionsOf(demands: ReadonlyMap<string, Demand>): Map<string, Demand[]> {
  const group = new Map<string, Set<string>>();
  const join = (a: string, b: string) => {
    const [one, other] = [a, b].map((name) => group.get(name) ?? new Set([name]));
    const all = new Set([...one!, ...other!]);
    for (const name of all) group.set(name, all);
  };
  const users = new Map<string, string>();
  for (const [name, { count, partners, volumes }] of demands) {
    for (const partner of partners) if (demands.has(partner)) join(name, partner);
    if (count === undefined) continue;
    for (const volume of volumes) {
      const user = users.get(volume.name);
      if (user !== undefined) join(name, user);
      users.set(volume.name, name);
    }
  }
  return new Map(
    [...group].map(([name, all]) => [
      name,
      [...all]
        .filter((other) => other !== name)
        .sort()
        .map((other) => demands.get(other)!),
    ]),
  );
}
