/** Where something is mounted in a container: such a file or directory can be written, but not removed or replaced. */
import type { ContainerConfig } from "../model/config.ts";
import { mayMake } from "../spec/devices.ts";
import { ETC_PATHS } from "../spec/etc-directory.ts";

/** Paths of mounts, secrets and configs, of bay's own files in /etc, and of devices that the container may not create. */
export const mountTargets = ({
  mounts,
  files = [],
  devices,
}: Pick<ContainerConfig, "mounts" | "files" | "devices">): string[] => [
  ...[...mounts, ...files, ...devices.filter((device) => !mayMake(device))].map(({ target }) => target),
  ...ETC_PATHS,
];
