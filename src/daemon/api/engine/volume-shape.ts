/** A volume in the shape of the Docker Engine API. */
import type { ContainerManager } from "../../../container/index.ts";
import type { VolumeRecord } from "../../../volume/index.ts";

export function volumeShape(manager: Pick<ContainerManager, "volumes">, { config, createdAt }: VolumeRecord) {
  const { device, mount } = config;
  const options = mount
    ? { type: mount.type, device: mount.device, ...(mount.options ? { o: mount.options } : {}) }
    : device
      ? { type: "none", device, o: "bind" }
      : null;
  return {
    Name: config.name,
    Driver: "local",
    Mountpoint: manager.volumes.path(config.name),
    CreatedAt: createdAt,
    Labels: config.labels,
    Scope: "local",
    Options: options,
  };
}
