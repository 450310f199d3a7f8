/** Changes that do not restart a container: limits, networks, ports, labels, restart policy, stop settings and name. */
import { BayError, messageOf } from "../../core/errors.ts";
import type { Endpoint } from "../../network/index.ts";
import type { ContainerConfig } from "../model/config.ts";
import type { Host } from "../model/host.ts";
import { limitDrift, withDefaults } from "../model/limits.ts";
import type { ContainerRecord } from "../model/record.ts";
import { isRunning, type Records } from "../model/records.ts";
import { toResources } from "../spec/resources.ts";
import { moveLinks, wantedEndpoints } from "./network-attachments.ts";
import type { ContainerSupervisor } from "./supervisor.ts";

export class LiveUpdate {
  constructor(
    readonly host: Host,
    readonly records: Records,
    readonly supervisor: ContainerSupervisor,
  ) {}

  /** Changes a container in place. If that fails, the change is undone; limits that cannot be restored show as drift. */
  update(id: string, config: ContainerConfig): Promise<void> {
    return this.records.queue(id, async (record) => {
      const { networks, ports } = this.host;
      const before = record.config;
      const isLive = isRunning(record);
      const differs = (key: keyof ContainerConfig) =>
        JSON.stringify(before[key]) !== JSON.stringify(config[key]);
      const { mounts, imageId, hostname } = before;
      const { endpoints } = record;
      record.config = { ...config, mounts, imageId, hostname };
      try {
        if (isLive && differs("resources")) this.repairLimits(record);
        if (differs("networks")) record.endpoints = wantedEndpoints(this.host, record);
        if (isLive && (differs("ports") || differs("networks"))) {
          networks.ports.releaseOf(before.name);
          await ports.hold(record);
        }
        if (isLive && differs("networks")) moveLinks(this.host, record, endpoints);
      } catch (error) {
        const wanted = record.endpoints;
        record.config = before;
        record.endpoints = endpoints;
        if (isLive && wanted !== endpoints) this.#restoreLinks(record, wanted);
        if (isLive) await ports.restore(record);
        throw error;
      }
      this.records.save(record);
      if (isLive) {
        await networks.firewall.sync();
        if (differs("health")) this.supervisor.watchHealth(record);
      }
      this.host.events.ofContainer(record, "update");
    });
  }

  #restoreLinks(record: ContainerRecord, wanted: readonly Endpoint[]): void {
    try {
      moveLinks(this.host, record, wanted);
    } catch (error) {
      this.host.emit("warning", `${record.config.name}: ${messageOf(error)}`);
    }
  }

  /** Sets the limits in the kernel to those of the record. */
  repairLimits(record: ContainerRecord): void {
    if (!isRunning(record)) return;
    const limits = withDefaults(record.config.resources, this.host.settings);
    this.host.groups.of(record).apply(toResources(limits, record.config.kernel));
  }

  /** Repairs the limits of all running containers. Returns the names of those whose limits differed. */
  repairAllLimits(): string[] {
    const differing = this.records
      .list()
      .filter(isRunning)
      .filter((record) => limitDrift(record.config, this.host.groups.of(record)).length > 0);
    for (const record of differing) this.repairLimits(record);
    return differing.map(({ config }) => config.name);
  }

  /** Throws NAME_TAKEN. */
  rename(id: string, name: string): Promise<void> {
    return this.records.queue(id, async (record) => {
      const clash = this.records.list().find((other) => other.config.name === name && other.id !== record.id);
      if (clash) throw new BayError("NAME_TAKEN", `the name ${name} is taken`);
      this.host.networks.ports.releaseOf(record.config.name);
      record.config.name = name;
      if (isRunning(record)) await this.host.ports.hold(record);
      this.records.save(record);
      this.host.events.ofContainer(record, "rename");
    });
  }
}
