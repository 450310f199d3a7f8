/** The plan that removes a stack: containers first, dependants before their dependencies, then networks and volumes. Pure. */
import { LABELS, volumesOf } from "../../container/index.ts";
import type { Actual, ActualContainer } from "../model/actual.ts";
import { type Plan, type Step, say, stepOf } from "../model/step.ts";

export interface DownOptions {
  volumes: boolean;
  removeOrphans: boolean;
  /** Services of the file; undefined if there is no file, and the whole stack is removed. */
  services: readonly string[] | undefined;
  /** Only these services, and networks and volumes that nothing else uses; undefined for the whole stack. */
  only?: readonly string[] | undefined;
  /** Volumes that the file calls external are kept. */
  externalVolumes: readonly string[];
  /** Names of the file's volumes. As in Compose, others of the stack are kept; undefined removes all of them. */
  namedVolumes?: readonly string[] | undefined;
}

const step = (kind: Step["kind"], name: string, rest: Partial<Step> = {}): Step =>
  stepOf({ ...rest, kind, name });

export function makeDownPlan(stack: string, actual: Actual, options: DownOptions): Plan {
  const isOwn = ({ service, oneOff }: ActualContainer) =>
    options.only
      ? options.only.includes(service)
      : options.services === undefined ||
        options.services.includes(service) ||
        options.removeOrphans ||
        oneOff;
  const containers = actual.containers.filter(isOwn);
  const removals = containers.map((container) =>
    step("container.remove", container.name, {
      service: container.service,
      reasons: options.volumes ? lostVolumes(container) : [],
      container: {
        id: container.id,
        config: undefined,
        start: false,
        ...(options.volumes ? { volumes: "removed" as const } : {}),
      },
      after: containers
        .filter((other) => dependsOn(other, container.service))
        .map(({ name }) => `container.remove:${name}`),
    }),
  );
  const after = removals.map(({ id }) => id);
  const used = new Set(
    containers.flatMap(({ config }) => [
      ...config.networks.map(({ network }) => network),
      ...volumesOf(config),
    ]),
  );
  const isOf = (name: string) => options.only === undefined || used.has(name);
  const left = actual.containers.filter((container) => !isOwn(container));
  const stillUsed = new Set(left.flatMap(({ config }) => config.networks.map(({ network }) => network)));
  const networks = actual.networks
    .filter((network) => network.stack === stack && !stillUsed.has(network.name) && isOf(network.name))
    .map(({ name }) => step("network.remove", name, { after }));
  const own = options.volumes
    ? actual.volumes.filter(({ name, stack: of }) => of === stack && !options.externalVolumes.includes(name))
    : [];
  const isNamed = ({ name }: { name: string }) => options.namedVolumes?.includes(name) ?? true;
  const wanted = own.filter(isNamed);
  const inUse = new Set([...actual.foreignVolumes, ...left.flatMap(({ config }) => volumesOf(config))]);
  const volumes = wanted
    .filter(({ name }) => !inUse.has(name) && isOf(name))
    .map(({ name }) => step("volume.remove", name, { after }));
  const warnings: string[] = [];
  if (left.length > 0 && !options.only)
    warnings.push(
      `containers of services that are no longer in the stack are kept: ${left.map(({ name }) => name).join(", ")}; --remove-orphans removes them`,
    );
  const kept = wanted.filter(({ name }) => inUse.has(name) && isOf(name)).map(({ name }) => name);
  const unnamed = own.filter((volume) => !isNamed(volume) && isOf(volume.name)).map(({ name }) => name);
  if (unnamed.length > 0)
    warnings.push(
      `volumes that are no longer in the stack file are kept: ${unnamed.join(", ")}; bay volume rm removes them`,
    );
  if (kept.length > 0) warnings.push(`volumes that other containers use are kept: ${kept.join(", ")}`);
  return { stack, steps: [...removals, ...networks, ...volumes], warnings };
}

/** Names the data that is removed with a container. */
const lostVolumes = ({ anonymousVolumes }: ActualContainer) =>
  anonymousVolumes.length > 0 ? [say(`anonymous volumes removed with it: ${anonymousVolumes.length}`)] : [];

/** Uses the label that the container was created with, so that it works without the file. */
function dependsOn(container: ActualContainer, service: string): boolean {
  const label = container.config.labels[LABELS.dependsOn] ?? "";
  return container.service !== service && label.split(",").some((entry) => entry.split(":")[0] === service);
}
