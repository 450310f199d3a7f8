/** Pausing containers by the freezer of their cgroups: for a user, and for moments of bayd's own work. */
import type { LeftExecs } from "../exec/left-execs.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";
import { type Records, requireRunning } from "../model/records.ts";
import type { AttachedSessions } from "./attached-sessions.ts";
import type { ContainerSupervisor } from "./supervisor.ts";

export class Pausing {
  constructor(
    readonly host: Host,
    readonly records: Records,
    readonly supervisor: ContainerSupervisor,
    readonly sessions: AttachedSessions,
    readonly leftExecs: LeftExecs,
  ) {}

  /** Pauses or unpauses a container. Throws NOT_RUNNING. */
  set(id: string, isPaused: boolean): Promise<void> {
    return this.records.queue(id, (record) => this.setNow(requireRunning(record), isPaused));
  }

  /** Pauses a container that runs while bayd works on its files: no end or kill of bayd leaves it paused. */
  holdStill(id: string, isStill: boolean): Promise<void> {
    return this.records.queue(id, (record) => {
      const { status, isHeldStill } = record.state;
      if (isStill ? status === "running" : status === "paused" && isHeldStill)
        this.setNow(record, isStill, isStill);
    });
  }

  /** Unpauses what bayd itself paused. */
  releaseAll(): void {
    for (const record of this.records.list())
      if (record.state.isHeldStill && record.state.status === "paused") this.setNow(record, false);
  }

  /** For a caller that works on the container already (Records.queue). */
  setNow(record: ContainerRecord, isPaused: boolean, isHeldStill = false): void {
    this.host.groups.of(record).freeze(isPaused);
    record.state.status = isPaused ? "paused" : "running";
    record.state.isHeldStill = isHeldStill || undefined;
    this.records.save(record);
    if (isPaused) this.sessions.stopHealth(record.id);
    else {
      this.leftExecs.endFinished(record);
      this.supervisor.watchHealth(record);
    }
    this.host.events.ofContainer(record, isPaused ? "pause" : "unpause");
    this.host.emit("changed", record.id);
  }
}
