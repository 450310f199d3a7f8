/** Removes containers: first the record, then the files and volumes that belong only to it. */
import { rmSync } from "node:fs";
import { BayError } from "../../core/errors.ts";
import { removeTreeNow } from "../../image/index.ts";
import { volumesOf } from "../model/config.ts";
import type { Host } from "../model/host.ts";
import { containerDirectory, runDirectory } from "../model/paths.ts";
import type { ContainerRecord } from "../model/record.ts";
import { isRunning, type Records } from "../model/records.ts";
import type { ContainerSupervisor } from "./supervisor.ts";

/** Milliseconds within which a client has to start its one-off container: it does so as soon as it is attached. */
const START_WITHIN = 60_000;

export class Removal {
  constructor(
    readonly host: Host,
    readonly records: Records,
    readonly supervisor: ContainerSupervisor,
  ) {}

  /**
   * Removes a container that does not run, and its anonymous volumes if `volumes` is set. A start that waits for files is
   * interrupted. Throws IS_RUNNING.
   */
  async remove(id: string, volumes: boolean): Promise<void> {
    this.host.waitingForFiles.interrupt(this.records.get(id).id);
    return this.records.queue(id, async (record) => {
      if (isRunning(record)) {
        throw new BayError("IS_RUNNING", `the container ${record.config.name} is running`, {
          hint: "stop it first, or force the removal",
        });
      }
      await this.supervisor.takeDown(record);
      if (volumes && record.anonymousVolumes.length > 0) {
        record.isPrepared = false;
        this.records.save(record);
        this.removeOwnVolumes(record);
      }
      this.forget(record);
      this.host.events.ofContainer(record, "destroy");
      this.host.emit("changed", record.id);
      await this.host.networks.removeUnusedDefault();
    });
  }

  /**
   * Removes a container that is to be removed after its end, when its attached clients have read its output. A client waits
   * for the end since before the start.
   */
  removeOneOff({ id, config, state }: ContainerRecord): void {
    if (!config.autoRemove) return;
    // a client of a container that could not be started waits for its removal
    const hasOutput = state.status !== "created";
    // the readers are notified of the end in the same turn
    setImmediate(async () => {
      if (hasOutput) await this.host.logs.readers.ended(id);
      await this.remove(id, true).catch(() => {});
    });
  }

  /** Removes a one-off container later if it was not started: its client may have been killed. */
  removeUnlessStarted(id: string): void {
    const remove = () => {
      const isCreated = this.records.find(id)?.state.status === "created";
      if (isCreated && !this.host.waitingForFiles.has(id)) void this.remove(id, true).catch(() => {});
    };
    setTimeout(remove, START_WITHIN).unref();
  }

  /** Removes the anonymous volumes that no other container uses: a replacement may use them by now. */
  removeOwnVolumes({ id, anonymousVolumes }: ContainerRecord): void {
    const others = new Set(
      this.records
        .list()
        .flatMap((other) => (other.id === id ? [] : [...other.anonymousVolumes, ...volumesOf(other.config)])),
    );
    for (const volume of anonymousVolumes) if (!others.has(volume)) this.host.volumes.remove(volume);
  }

  /** Removes the record first: the next start removes files without a record, but a record needs its files. */
  forget({ id }: ContainerRecord): void {
    this.host.forwarders.forget(id);
    this.records.forget(id);
    this.removeFiles(id);
  }

  /** Removes the files of a container without a record. */
  removeFiles(id: string): void {
    this.host.secretFiles.sweep();
    removeTreeNow(containerDirectory(this.host, id));
    rmSync(runDirectory(this.host, id), { recursive: true, force: true });
  }
}
