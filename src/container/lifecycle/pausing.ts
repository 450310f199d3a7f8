/** Pauses containers with the cgroup freezer: for a user, and for short times while bayd works on their files. */
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

  /** Pauses a running container while bayd works on its files. It is unpaused even if bayd ends or is killed. */
  holdStill(id: string, isStill: boolean): Promise<void> {
    return this.records.queue(id, (record) => {
      const { status, isHeldStill } = record.state;
      if (isStill ? status === "running" : status === "paused" && isHeldStill)
        this.setNow(record, isStill, isStill);
    });
  }

  /** Unpauses the containers that bayd itself paused. */
  releaseAll(): void {
    for (const record of this.records.list())
      if (record.state.isHeldStill && record.state.status === "paused") this.setNow(record, false);
  }

  /** For callers that already run in the container's queue (Records.queue). */
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
