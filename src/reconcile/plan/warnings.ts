/** Effects of a plan that its steps do not show. Pure. */
import { ownersOf, type Service, shareWith } from "../../stack/index.ts";
import type { Draft } from "./draft.ts";

/** Warns if a service gets something other than it asks for. */
export function warnOfSockets({ actual, warnings }: Draft, services: readonly Service[]): void {
  for (const { name, mounts } of services)
    for (const mount of mounts)
      if (mount.type === "bind" && actual.withoutDocker.includes(mount.source))
        warnings.push(
          `services.${name}.volumes: ${mount.source} is bay's own socket, as Docker is not installed; it gives full access to the host`,
        );
}

/** Warns about a renamed volume, which begins empty: bay copies nothing. */
export function warnOfRenamedVolumes(draft: Draft, services: readonly Service[]): void {
  const { stack, warnings } = draft;
  const { containers, volumes } = draft.actual;
  const keys = services.flatMap(({ mounts }) =>
    mounts.flatMap((mount) => (mount.type === "volume" && mount.source ? [mount.source] : [])),
  );
  for (const key of new Set(keys)) {
    const { name } = stack.volumes[key]!;
    const isNew = !volumes.some((volume) => volume.name === name);
    const isMounted = (volume: string) =>
      containers.some(({ config }) =>
        config.mounts.some((mount) => mount.type === "volume" && mount.source === volume),
      );
    const before = volumes.find(
      (volume) =>
        volume.stack === stack.name &&
        volume.key === key &&
        volume.name !== name &&
        (isNew || isMounted(volume.name)),
    );
    if (before)
      warnings.push(
        `volumes.${key}.name: ${before.name} -> ${name}: the data stays in ${before.name} and is not copied to ${name}`,
      );
  }
  warnings.push(...replacedVolumes(draft, services));
}

/** Volumes that replace others under another key. */
function replacedVolumes({ stack, actual }: Draft, services: readonly Service[]): string[] {
  const placeIn = ({ name }: Service, target: string) =>
    actual.containers
      .filter(({ service, oneOff }) => service === name && !oneOff)
      .flatMap(({ config }) => config.mounts)
      .find((mount) => mount.type === "volume" && mount.target === target);
  return services.flatMap((service) =>
    service.mounts.flatMap((mount) => {
      if (mount.type !== "volume" || !mount.source) return [];
      const { name } = stack.volumes[mount.source]!;
      const before = placeIn(service, mount.target);
      if (before?.type !== "volume" || before.source === name) return [];
      const known = actual.volumes.find((volume) => volume.name === before.source);
      const isRenamed = known?.stack !== stack.name || known.key === undefined || known.key === mount.source;
      if (isRenamed || actual.volumes.some((volume) => volume.name === name)) return [];
      return `services.${service.name}.volumes.${mount.target}: ${before.source} -> ${name}: the data stays in ${before.source}, and ${name} does not get it`;
    }),
  );
}

/** Warns about containers outside the request that share something with one that is replaced. */
export function warnOfDependents(
  { stack, actual, replaced, warnings }: Draft,
  selected: readonly Service[],
): void {
  for (const dependent of Object.values(stack.services)) {
    if (selected.includes(dependent)) continue;
    const isThere = actual.containers.some(({ service, alive }) => service === dependent.name && alive);
    for (const owner of ownersOf(dependent).filter((name) => isThere && replaced.has(name)))
      warnings.push(
        `${dependent.name} shares the ${shareWith(dependent, owner)!.part} of ${owner}, which is replaced: run bay up ${dependent.name} to start it again`,
      );
  }
}
