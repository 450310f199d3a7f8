/**
 * `volumes_from` of services: mounts the volumes of another service, or of any container of the host, where the service
 * has no mount itself (Compose specification, 05-services.md).
 */
import { atPlace, type SourcePosition } from "../../core/diagnostics.ts";
import type { ContainerVolumes, Service, ServiceMount } from "../model/stack.ts";
import type { FileInput } from "../schema/schema.ts";

interface Source {
  service: string;
  isReadOnly: boolean;
}

const CONTAINER = "container:";

function* sources(
  given: readonly string[] = [],
): Generator<Source & { index: number; isContainer: boolean }> {
  for (const [index, text] of given.entries()) {
    const isContainer = text.startsWith(CONTAINER);
    const rest = isContainer ? text.slice(CONTAINER.length) : text;
    const [, service = rest, mode] = /^([^:]+)(?::(ro|rw))?$/.exec(rest) ?? [];
    yield { service, isReadOnly: mode === "ro", index, isContainer };
  }
}

/** `SERVICE`, `SERVICE:ro`; another form is returned unchanged, and then names no service. Containers are left out. */
export function readVolumesFrom(given: readonly string[] | undefined): Source[] {
  return [...sources(given)]
    .filter(({ isContainer }) => !isContainer)
    .map(({ service, isReadOnly }) => ({ service, isReadOnly }));
}

/** `container:NAME`, `container:NAME:ro`. */
function readContainers(
  service: string,
  given: readonly string[] | undefined,
  locate: (path: (string | number)[]) => SourcePosition | undefined,
): ContainerVolumes[] {
  return [...sources(given)]
    .filter(({ isContainer }) => isContainer)
    .map(({ service: container, isReadOnly, index }) => {
      const place = locate(["services", service, "volumes_from", index]);
      const where = atPlace(place, `services.${service}.volumes_from`);
      return { container, isReadOnly, where };
    });
}

interface Inherited {
  mounts: ServiceMount[];
  containers: ContainerVolumes[];
}

/** The services with their inherited mounts. A cycle is reported as a cycle of dependencies. */
export function inheritMounts(
  services: Readonly<Record<string, Service>>,
  input: FileInput,
  locate: (path: (string | number)[]) => SourcePosition | undefined,
): Record<string, Service> {
  const done = new Map<string, Inherited>();
  const inherit = (name: string): Inherited => {
    const known = done.get(name);
    if (known) return known;
    const own = services[name]?.mounts ?? [];
    const given = input.services?.[name]?.volumes_from;
    const containers = readContainers(name, given, locate);
    done.set(name, { mounts: own, containers }); // a service in a cycle gets only its own mounts
    const mounts = [...own];
    for (const source of readVolumesFrom(given)) {
      const other = inherit(source.service);
      for (const mount of other.mounts) {
        if (mount.type === "tmpfs" || mounts.some(({ target }) => target === mount.target)) continue;
        // an anonymous volume gets its name when its container is created
        if (mount.type === "volume" && mount.source === "") continue;
        mounts.push(source.isReadOnly ? { ...mount, readOnly: true } : mount);
      }
      for (const each of other.containers)
        containers.push({
          ...each,
          isReadOnly: each.isReadOnly || source.isReadOnly,
          covered: [...(each.covered ?? []), ...other.mounts.map(({ target }) => target)],
        });
    }
    done.set(name, { mounts, containers });
    return { mounts, containers };
  };
  return Object.fromEntries(
    Object.entries(services).map(([name, service]) => {
      const volumesFrom = readVolumesFrom(input.services?.[name]?.volumes_from);
      const { mounts, containers } = inherit(name);
      return [
        name,
        {
          ...service,
          mounts,
          ...(volumesFrom.length > 0 ? { volumesFrom } : {}),
          ...(containers.length > 0 ? { containerVolumes: containers } : {}),
        },
      ];
    }),
  );
}
