/** `volumes_from` of services: the volumes of another service, where a service has nothing itself (Compose specification, 05-services.md). */

import type { Service, ServiceMount } from "../model/stack.ts";
import type { FileInput } from "../schema/schema.ts";

interface Source {
  service: string;
  isReadOnly: boolean;
}

/** `SERVICE`, `SERVICE:ro`; another form is given as it is, and is then no service. */
export function readVolumesFrom(given: readonly string[] | undefined): Source[] {
  return (given ?? []).map((text) => {
    const [, service = text, mode] = /^([^:]+)(?::(ro|rw))?$/.exec(text) ?? [];
    return { service, isReadOnly: mode === "ro" };
  });
}

/** The services with the mounts that they inherit. A circle is one of dependencies too, and reported as that. */
export function inheritMounts(
  services: Readonly<Record<string, Service>>,
  input: FileInput,
): Record<string, Service> {
  const done = new Map<string, ServiceMount[]>();
  const mountsOf = (name: string): ServiceMount[] => {
    const known = done.get(name);
    if (known) return known;
    const own = services[name]?.mounts ?? [];
    done.set(name, own); // what is in a circle has its own alone
    const mounts = [...own];
    for (const source of readVolumesFrom(input.services?.[name]?.volumes_from)) {
      for (const mount of mountsOf(source.service)) {
        if (mount.type === "tmpfs" || mounts.some(({ target }) => target === mount.target)) continue;
        // what has no name has one only once its container is there
        if (mount.type === "volume" && mount.source === "") continue;
        mounts.push(source.isReadOnly ? { ...mount, readOnly: true } : mount);
      }
    }
    done.set(name, mounts);
    return mounts;
  };
  return Object.fromEntries(
    Object.entries(services).map(([name, service]) => {
      const volumesFrom = readVolumesFrom(input.services?.[name]?.volumes_from);
      const mounts = mountsOf(name);
      return [name, { ...service, mounts, ...(volumesFrom.length > 0 ? { volumesFrom } : {}) }];
    }),
  );
}
