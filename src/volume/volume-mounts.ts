/** Volumes that are file systems (driver_opts of the local driver): mounted while a container uses them. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { BayError } from "../core/errors.ts";
import { mountTable, unmount } from "../linux/index.ts";

/** The arguments of mount(8). */
export interface VolumeMount {
  type: string;
  device: string;
  options: string;
}

const LONGEST = 60_000;
const run = promisify(execFile);

export const isMounted = (path: string): boolean => mountTable("self").some(({ point }) => point === path);

/** Mounts a volume with the host's mount(8), which finds the helpers of network file systems. Throws VOLUME_MOUNT. */
export async function mountVolume(name: string, path: string, mount: VolumeMount): Promise<void> {
  if (isMounted(path)) return;
  const { type, device, options } = withAddress(mount);
  const args = ["-t", type, ...(options ? ["-o", options] : []), "--", device, path];
  try {
    await run("mount", args, { timeout: LONGEST });
  } catch (cause) {
    const said = String((cause as { stderr?: string }).stderr ?? "").trim();
    const why = said.split("\n")[0]?.replace(`mount: ${path}: `, "") || "mount(8) failed";
    throw new BayError("VOLUME_MOUNT", `the volume ${name} cannot be mounted: ${why}`, {
      hint: /bad option|wrong fs type|helper program/.test(said)
        ? `install the mount helper of ${type} (nfs-common for nfs, cifs-utils for cifs)`
        : "check type, device and o in its driver_opts",
      cause,
    });
  }
}

/** Converts Docker's form of an NFS server, `o: addr=HOST` and `device: ":/path"`, to that of mount(8). */
function withAddress({ type, device, options }: VolumeMount): VolumeMount {
  const address = /(?:^|,)addr=([^,]+)/.exec(options)?.[1];
  if (!type.startsWith("nfs") || !device.startsWith(":") || address === undefined)
    return { type, device, options };
  const rest = options.split(",").filter((option) => !option.startsWith("addr="));
  return { type, device: `${address}${device}`, options: rest.join(",") };
}

export function unmountVolume(path: string): void {
  if (isMounted(path)) unmount(path);
}
