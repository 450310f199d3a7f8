/** What bay remembers of a container. */

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
  /** What a user last asked for: bayd restarts only what should run. */
  wanted: "running" | "stopped";
  pid: number;
  start: number;
  shimPid: number;
  shimStart: number;
  startedAt: string;
  finishedAt: string;
  exitCode: number;
  oomKilled: boolean;
  /** The number of the signal that ended it; absent where it ended by itself. */
  signal?: number | undefined;
  error: string;
  /** Its hooks after the start have not ended; a bayd that was killed meanwhile runs them again. */
  hasHooksLeft?: boolean;
  restartCount: number;
  /** bayd paused it for a backup, and not a user. */
  isHeldStill?: boolean | undefined;
  /** The run of another container whose network this one joined: its ID and start time. */
  joinedRun?: string;
  /** The same of shared memory. */
  joinedIpcRun?: string;
  /** Ports as they were bound, with free ones chosen. */
  boundPorts: { hostAddress: string; hostPort: number; containerPort: number; protocol: "tcp" | "udp" }[];
}

export interface ContainerRecord {
  id: string;
  createdAt: string;
  config: ContainerConfig;
  endpoints: Endpoint[];
  anonymousVolumes: string[];
  /**
   * While one container takes another's place: the new one, which other requests do not see yet, and the old one,
   * which new requests do not see any more.
   */
  role?: "incoming" | "retiring";
  /** Its writable layer and filled volumes are there. A start makes them where bayd was killed on the way. */
  isPrepared: boolean;
  state: ContainerState;
}

/** What ended a container from outside; undefined where it ended by itself. */
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
