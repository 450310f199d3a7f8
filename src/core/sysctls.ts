/** Kernel parameters that a container may set: those that belong to a namespace (namespaces(7)). */

const IPC = /^(kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\.mqueue\.[a-z_]+)$/;
const NET = /^net(\.[a-zA-Z0-9_-]+)+$/;

/**
 * Why a parameter cannot be set to a value in such a container, as the end of a sentence; undefined if it can. Others
 * would change the whole host.
 */
export function sysctlProblem(
  name: string,
  value: string,
  { networkMode, ipcMode }: { networkMode: string; ipcMode: string },
): string | undefined {
  // tabs separate the numbers of a list
  if (/[^\P{Cc}\t]/u.test(value)) return "has a control character in its value";
  if (IPC.test(name))
    return ipcMode === "private" ? undefined : "would change shared memory that is not the container's own";
  if (NET.test(name))
    return networkMode !== "bridge" && networkMode !== "none"
      ? "would change a network that is not the container's own"
      : undefined;
  return "is not a parameter of a namespace: it would change the whole host";
}
