/** The AppArmor profile of a container: by default bay's own, which allows and denies what Docker's does. */
import { BayError } from "../../core/errors.ts";
import { appArmorParser, isAppArmorOn, loadedProfiles, loadProfile } from "../../linux/index.ts";
import type { ContainerConfig } from "../model/config.ts";

const NAME = "bay-default";

/** The mount namespace controls access to files; the profile denies mounts and settings of the kernel. */
const PROFILE = `
profile ${NAME} flags=(attach_disconnected, mediate_deleted) {
  network,
  capability,
  file,
  umount,
  signal (receive) peer=unconfined,
  signal (send, receive) peer=${NAME},
  ptrace (trace, read, tracedby, readby) peer=${NAME},
  deny mount,

  # of /proc its processes' own, and of /proc/sys kernel/shm*
  deny /proc/* w,
  deny /proc/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}/** w,
  deny /proc/sys/[^k]** w,
  deny /proc/sys/kernel/{?,??,[^s][^h][^m]**} w,
  deny /proc/sysrq-trigger rwklx,
  deny /proc/kcore rwklx,

  # of /sys only fs/cgroup
  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/fs/cg[^r]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,
}
`;

let isLoaded = false;

/**
 * Returns the profile that the container's processes run under; undefined for none. Throws NO_PROFILE if the kernel does not
 * have it.
 */
export function profileOf({ name, apparmor, privileged }: ContainerConfig): string | undefined {
  if (apparmor === "unconfined" || !isAppArmorOn()) return undefined;
  if (apparmor === undefined || apparmor === "docker-default") return privileged ? undefined : ownProfile();
  const known = loadedProfiles();
  if (known && !known.has(apparmor))
    throw new BayError("NO_PROFILE", `${name}: the kernel has no AppArmor profile ${apparmor}`, {
      hint: "load it with apparmor_parser -r FILE",
    });
  return apparmor;
}

/** Without apparmor_parser(8) there is no profile, as in Docker; `bay doctor` reports that. */
function ownProfile(): string | undefined {
  if (!isLoaded && !loadedProfiles()?.has(NAME)) {
    if (!appArmorParser()) return undefined;
    loadProfile(NAME, PROFILE);
  }
  isLoaded = true;
  return NAME;
}
