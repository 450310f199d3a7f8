/** Checks mount propagation: the kernel silently accepts a propagation that has no effect. */
import { realpathSync } from "node:fs";
import { BayError } from "../../core/errors.ts";
import { type MountEntry, mountTable } from "../../linux/index.ts";
import type { ContainerConfig } from "../model/config.ts";

/** Throws NOT_SHARED if a shared or slave bind has its source on a mount that is not shared, as Docker does. */
export function checkPropagation({ mounts }: Pick<ContainerConfig, "mounts">): void {
  for (const mount of mounts) {
    if (mount.type !== "bind" || mount.propagation === undefined) continue;
    const { source, target, propagation } = mount;
    const { point, tags } = mountOf(realpathSync(source), mountTable("self"));
    if (tags.includes("shared:") || (propagation === "slave" && tags.includes("master:"))) continue;
    throw new BayError(
      "NOT_SHARED",
      `the mount at ${target} cannot be ${propagation}: ${source} is on the mount ${point}, which is not shared`,
      { hint: `run mount --make-rshared ${point} to make it shared` },
    );
  }
}

/** The mount that a path is on: of several at one path the last one covers the others. */
function mountOf(path: string, table: readonly MountEntry[]): Pick<MountEntry, "point" | "tags"> {
  let best: Pick<MountEntry, "point" | "tags"> = { point: "/", tags: "" };
  for (const { point, tags } of table) {
    const isOn = point === "/" || path === point || path.startsWith(`${point}/`);
    if (isOn && point.length >= best.point.length) best = { point, tags };
  }
  return best;
}
