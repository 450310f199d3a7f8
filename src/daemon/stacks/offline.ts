/** The state of a stack's containers while bayd does not run: from the records and the kernel. Changes nothing. */
import { join } from "node:path";
import { type ContainerRecord, endedBy } from "../../container/index.ts";
import type { Roots } from "../../core/roots.ts";
import { isAlive } from "../../linux/index.ts";
import type { NetworkRecord } from "../../network/index.ts";
import { readState } from "../../store/index.ts";
import { type Shown, toSummary } from "../api/engine/shapes.ts";
import type { Revision } from "./history.ts";
import { observe } from "./observe.ts";
import { type StackSummary, summariseStacks } from "./stack-list.ts";

/** A row of the list and the parts of inspect that `bay ps` shows. Health is unknown. */
export function offlineContainers(roots: Roots, stack: string) {
  const state = readState(join(roots.root, "state"));
  const actual = observe({ roots, state, health: () => "none" }, stack, undefined);
  const shown: Shown = {
    health: () => "none",
    networks: { get: (name) => state.get<NetworkRecord>(`network/${name}`) },
    volumes: { path: (name) => join(roots.root, "volumes", name, "_data") },
  };
  return actual.containers.map(({ id, status, exitCode, alive }) => {
    const record = structuredClone(state.get<ContainerRecord>(`container/${id}`)!);
    Object.assign(record.state, { status, exitCode, pid: alive ? record.state.pid : 0 });
    const { config, createdAt } = record;
    return {
      row: toSummary(shown, record),
      inspected: {
        Id: id,
        Name: `/${config.name}`,
        Created: createdAt,
        Image: config.imageId,
        State: {
          Status: record.state.status,
          Pid: record.state.pid,
          ExitCode: record.state.exitCode,
          StartedAt: record.state.startedAt,
          FinishedAt: record.state.finishedAt,
          OOMKilled: record.state.oomKilled,
          EndedBy: endedBy(record.state) ?? "",
        },
        Config: { Image: config.image, Labels: config.labels },
      },
    };
  });
}

/** Stacks that have containers. */
export function offlineStacks(roots: Roots): StackSummary[] {
  const records = readState(join(roots.root, "state")).list<ContainerRecord>("container/");
  return summariseStacks(records, ({ state }) => isAlive(state.pid, state.start));
}

/** The number of running containers, of all stacks and of none. */
export function runningOffline(roots: Roots): number {
  const records = readState(join(roots.root, "state")).list<ContainerRecord>("container/");
  return records.filter(({ state }) => isAlive(state.pid, state.start)).length;
}

/** Applied revisions of a stack, the oldest first. */
export function offlineHistory(roots: Roots, stack: string): Revision[] {
  return readState(join(roots.root, "state")).list<Revision>(`revision/${stack}/`);
}
