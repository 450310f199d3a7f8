/** New containers: made beside the others, or in the place of one that is removed. */
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

  /** Makes a container. Throws NAME_TAKEN and what is wrong with its image, networks or mounts; nothing is left then. */
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
   * Puts a new container in the place of an old one, which does not run and is removed. The new one inherits the old one's
   * anonymous volumes; with `renewVolumes` they are removed. The records change places at once, so that no kill of bayd
   * leaves the volumes without an owner. What fails after that leaves the new one, and its start tries again.
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
