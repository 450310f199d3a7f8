/** Removes what a killed bayd left behind: cgroups, directories and processes without a record. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { SIGNALS } from "../../core/signals.ts";
import { signalProcess, startTime, unmount } from "../../linux/index.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";
import { endProcesses } from "./end-processes.ts";

/** Removes cgroups and directories of containers without a record, and those of tasks and builds. */
export function removeOrphans(
  host: Host,
  records: readonly ContainerRecord[],
  removeFiles: (id: string) => void,
): void {
  const { root, run } = host.roots;
  const ids = new Set(records.map(({ id }) => id));
  const tokens = new Set(records.map(({ id }) => id.slice(0, 16)));
  for (const id of readdirSync(join(root, "containers"))) if (!ids.has(id)) removeFiles(id);
  host.networks.links.sweep(tokens);
  for (const name of readdirSync(join(run, "containers")))
    if (!tokens.has(name)) rmSync(join(run, "containers", name), { recursive: true, force: true });
  for (const name of readdirSync(run)) if (name.startsWith("build-")) removeScratch(join(run, name));
  for (const name of host.cgroups.list()) {
    if (name === "shims" || tokens.has(name)) continue;
    const group = host.cgroups.group(name);
    group.kill();
    void endProcesses(group);
  }
}

/** Kills the shims of tasks and probes whose status is not needed: all but those in `known`. */
export function endLostShims({ cgroups }: Pick<Host, "cgroups">, known: ReadonlySet<number>): void {
  for (const pid of cgroups.group("shims").pids())
    if (!known.has(pid)) signalProcess(pid, startTime(pid) ?? 0, SIGNALS.SIGKILL);
}

/** Removes the directory of a build and unmounts everything below it. */
function removeScratch(directory: string): void {
  for (const name of readdirSync(directory)) unmount(join(directory, name));
  rmSync(directory, { recursive: true, force: true });
}
