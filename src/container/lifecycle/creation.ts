/** Creates containers, also as the replacement of a container that is removed. */
import type { ContainerConfig } from "../model/config.ts";
import type { Host } from "../model/host.ts";
import { anonymousVolumesOf, newRecord } from "../model/new-container.ts";
import type { ContainerRecord } from "../model/record.ts";
import type { Records } from "../model/records.ts";
import type { Removal } from "./removal.ts";
import type { ContainerSupervisor } from "./supervisor.ts";

export class Creation {
  constructor(
    readonly host: Host,
    readonly records: Records,
    readonly supervisor: ContainerSupervisor,
    readonly removal: Removal,
  ) {}

  /** Creates a container. Throws NAME_TAKEN, and errors of its image, networks and mounts; nothing remains after an error. */
  async create(config: ContainerConfig): Promise<ContainerRecord> {
    const { id } = await this.host.images.get(config.image, config.imageId || undefined);
    const record = newRecord(this.host, this.records.list(), { ...config, imageId: id }, {});
    this.records.add(record);
    try {
      return await this.#prepare(record);
    } catch (error) {
      this.removal.removeOwnVolumes(record);
      this.removal.forget(record); // last, so that a kill of bayd leaves no volume without an owner
      throw error;
    }
  }

  /**
   * Replaces a container that does not run by a new one, and removes the old one. The new one inherits the old one's
   * anonymous volumes; with `renewVolumes` they are removed. Both records change in one transaction, so that a kill of bayd
   * leaves no volume without an owner. If a later step fails, the new container remains, and its start tries the step again.
   */
  async replace(id: string, config: ContainerConfig, renewVolumes: boolean): Promise<ContainerRecord> {
    const record = await this.records.queue(id, async (old) => {
      const image = await this.host.images.get(config.image, config.imageId || undefined);
      await this.supervisor.takeDown(old);
      const inherited = renewVolumes ? {} : anonymousVolumesOf(old);
      const fresh = newRecord(
        this.host,
        this.records.list(),
        { ...config, imageId: image.id },
        inherited,
        old,
      );
      this.records.swap(old, fresh);
      this.removal.removeFiles(old.id);
      if (renewVolumes) this.removal.removeOwnVolumes(old);
      this.host.events.ofContainer(old, "destroy");
      return fresh;
    });
    return this.#prepare(record);
  }

  async #prepare(record: ContainerRecord): Promise<ContainerRecord> {
    await this.supervisor.prepare(record);
    this.host.events.ofContainer(record, "create");
    return record;
  }
}
