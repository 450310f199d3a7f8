/** The limits of a container's resources: the same in the stack, in the container's record and in a change of it. */

/** A key that is undefined uses the default; 0 means no limit, as in Compose. */
export interface ResourceLimits {
  /** Number of CPUs: 0.5 is half a CPU. */
  cpus: number | undefined;
  cpuShares: number | undefined;
  cpuset: string | undefined;
  /** Bytes. */
  memory: number | undefined;
  /** Bytes. */
  memoryReservation: number | undefined;
  /** Bytes of memory plus swap; -1 for unlimited swap. */
  memorySwap: number | undefined;
  /** Processes and threads; -1 is no limit, too. */
  pids: number | undefined;
}

export const NO_LIMITS: Readonly<ResourceLimits> = {
  cpus: undefined,
  cpuShares: undefined,
  cpuset: undefined,
  memory: undefined,
  memoryReservation: undefined,
  memorySwap: undefined,
  pids: undefined,
};
