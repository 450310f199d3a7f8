/** The stored state of a container. */

import { signalName } from "../../core/signals.ts";
import type { Endpoint } from "../../network/index.ts";
import type { ContainerConfig } from "./config.ts";

export type Status = "created" | "running" | "paused" | "restarting" | "exited" | "dead";
export type HealthStatus = "none" | "starting" | "healthy" | "unhealthy";

export interface HealthResult {
  start: string;
  end: string;
  exitCode: number;
  output: string;
}

export interface ContainerState {
  status: Status;
  /** What a user last requested: bayd restarts only containers that should run. */
  wanted: "running" | "stopped";
  pid: number;
  start: number;
  shimPid: number;
  shimStart: number;
  startedAt: string;
  finishedAt: string;
  exitCode: number;
  oomKilled: boolean;
  /** The number of the signal that ended it; absent if it ended by itself. */
  signal?: number | undefined;
  error: string;
  /** Its post-start hooks have not ended; the next bayd runs them again if this one is killed. */
  hasHooksLeft?: boolean;
  restartCount: number;
  /** bayd paused it for its own work; a user did not. */
  isHeldStill?: boolean | undefined;
  /** The run of the container whose network this one joined: its ID and start time. */
  joinedRun?: string;
  /** The same for shared memory. */
  joinedIpcRun?: string;
  /** Published ports as bound, including free ones that were chosen. */
  boundPorts: { hostAddress: string; hostPort: number; containerPort: number; protocol: "tcp" | "udp" }[];
}

export interface ContainerRecord {
  id: string;
  createdAt: string;
  config: ContainerConfig;
  endpoints: Endpoint[];
  anonymousVolumes: string[];
  /**
   * Set while one container replaces another: the new one is not visible to other requests yet, and the old one is not
   * visible to new requests any more.
   */
  role?: "incoming" | "retiring";
  /** Its writable layer and filled volumes exist. If bayd was killed before, the next start creates them. */
  isPrepared: boolean;
  state: ContainerState;
}

/** What killed or stopped a container from outside; undefined if it ended by itself. */
export function endedBy(
  state: Pick<ContainerState, "exitCode" | "oomKilled" | "signal">,
): string | undefined {
  const { exitCode, oomKilled, signal } = state;
  if (oomKilled && exitCode !== 0) return "out of memory";
  return signal === undefined ? undefined : `killed by ${signalName(signal)}`;
}

export const NEVER = "0001-01-01T00:00:00Z";

export function initialState(): ContainerState {
  return {
    status: "created",
    wanted: "stopped",
    pid: 0,
    start: 0,
    shimPid: 0,
    shimStart: 0,
    startedAt: NEVER,
    finishedAt: NEVER,
    exitCode: 0,
    oomKilled: false,
    error: "",
    restartCount: 0,
    boundPorts: [],
  };
}
