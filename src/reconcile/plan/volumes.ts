/** The volumes of a plan. Pure. */
import { BayError } from "../../core/errors.ts";
import { withoutPasswords } from "../../core/redaction.ts";
import type { Service, StackVolume } from "../../stack/index.ts";
import { changeOf } from "../model/step.ts";
import type { Draft } from "./draft.ts";
import { labelChanges } from "./label-changes.ts";

/** Plans the volumes. External volumes that do not exist are refusals. */
export function planVolumes({ stack, actual, add, refusals }: Draft, services: readonly Service[]): string[] {
  const used = new Set(
    services.flatMap(({ mounts }) =>
      mounts.flatMap((mount) => (mount.type === "volume" && mount.source ? [mount.source] : [])),
    ),
  );
  const planVolume = (key: string): string[] => {
    const { name, external, labels } = stack.volumes[key]!;
    const place = placeOf(stack.volumes[key]!);
    const known = actual.volumes.find((volume) => volume.name === name);
    if (!known && external)
      throw new BayError("VOLUME_NOT_FOUND", `the external volume ${name} does not exist`);
    if (!known) return [add({ kind: "volume.create", name })];
    if (external) return [];
    const changes = labelChanges(`volumes.${key}`, known.labels, labels);
    if (known.place !== place)
      changes.push(changeOf(`volumes.${key}.driver_opts`, shown(known.place), shown(place)));
    return changes.length > 0 ? [add({ kind: "volume.update", name, reasons: changes })] : [];
  };
  return [...used].flatMap((key) => refusals.attempt(() => planVolume(key), []));
}

/** The source of a volume that bay does not keep itself; undefined for the others. */
export function placeOf({ device, mount }: Pick<StackVolume, "device" | "mount">): string | undefined {
  if (!mount) return device;
  return `${mount.type} ${mount.device}${mount.options ? ` (${mount.options})` : ""}`;
}

const shown = (place: string | undefined) => place && withoutPasswords(place);
