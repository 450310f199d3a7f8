/** Checks mount propagation: the kernel silently accepts a propagation that has no effect. */
import { readFileSync, realpathSync } from "node:fs";
import { BayError } from "../../core/errors.ts";
import type { ContainerConfig } from "../model/config.ts";

/** Throws NOT_SHARED if a shared or slave bind has its source on a mount that is not shared, as Docker does. */
export function checkPropagation({ mounts }: Pick<ContainerConfig, "mounts">): void {
  for (const mount of mounts) {
    if (mount.type !== "bind" || mount.propagation === undefined) continue;
    const { source, target, propagation } = mount;
    const { place, tags } = mountOf(realpathSync(source), readFileSync("/proc/self/mountinfo", "utf8"));
    if (tags.includes("shared:") || (propagation === "slave" && tags.includes("master:"))) continue;
    throw new BayError(
      "NOT_SHARED",
      `the mount at ${target} cannot be ${propagation}: ${source} is on the mount ${place}, which is not shared`,
      { hint: `run mount --make-rshared ${place} to make it shared` },
    );
  }
}

/** The mount that a path is on, with its optional fields (proc_pid_mountinfo(5)). */
export function mountOf(path: string, table: string): { place: string; tags: string } {
  let best = { place: "/", tags: "" };
  for (const line of table.split("\n")) {
    const [, , , , at = "", , ...rest] = line.split(" ");
    const place = at.replace(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const isOn = place === "/" || path === place || path.startsWith(`${place}/`);
    // of several mounts at one path the last one covers the others
    if (place !== "" && isOn && place.length >= best.place.length)
      best = { place, tags: rest.slice(0, rest.indexOf("-")).join(" ") };
  }
  return best;
}
