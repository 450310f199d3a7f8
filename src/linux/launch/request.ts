/** What the launcher is asked for: an OCI spec and the host objects around it, all resolved. */
import type { Spec } from "../spec.ts";

/** An overlay to assemble: directories under `layers`, the topmost first, and one writable pair. */
export interface OverlayRoot {
  layersDirectory: string;
  lower: string[];
  upper: string;
  work: string;
}

/** Where the first process's three standard streams go. */
export type Stdio =
  | {
      kind: "fifos";
      stdin: string | undefined;
      /** Opened for reading only: the container sees an end of file when the last writer closes. */
      stdinEnds?: boolean;
      stdout: string;
      stderr: string;
    }
  | { kind: "tty" }
  /** Descriptors of the caller; null is /dev/null. */
  | { kind: "fds"; stdin: number | null; stdout: number | null; stderr: number | null };

export interface LaunchRequest {
  spec: Spec;
  /** Shown by ps(1) as the shim's name. */
  name: string;
  programFile: string;
  overlay: OverlayRoot | undefined;
  /** Files to which a process writes 0 to join its cgroup: one per hierarchy. */
  cgroupJoinFiles: string[];
  shimJoinFiles: string[];
  /** The FIFO that announces ends, and the 8 bytes that are written to it. */
  endedFifo: string;
  token: Buffer;
  stdio: Stdio;
  /** Run a minimal init as pid 1: it forwards signals and reaps. */
  init: boolean;
  /** Which cgroup hierarchies to show at /sys/fs/cgroup: "v2", or v1's controllers. */
  cgroupView: "v2" | string[];
}

export interface ExecRequest {
  /** A pidfd of the container's first process. */
  pidfd: number;
  process: Spec["process"];
  seccomp: Spec["linux"]["seccomp"];
  /** The namespaces to join, as CLONE_NEW* flags. */
  namespaces: number;
  name: string;
  programFile: string;
  cgroupJoinFiles: string[];
  shimJoinFiles: string[];
  endedFifo: string;
  token: Buffer;
  stdio: Stdio;
}

/**
 * Descriptors by fixed numbers, so that a record needs no other's result. Those up to 13 are given to the shim.
 * The others lie above all that a program opens in passing: each result is moved to its number (dup3).
 */
export const FD = {
  program: 3,
  /** Closes when the child has executed its command, or failed. */
  started: 4,
  /** With a tty: the child tells the shim that the pty is open, and waits for the answer. */
  ttyReadyRead: 5,
  ttyReadyWrite: 6,
  ttyTakenRead: 7,
  ttyTakenWrite: 8,
  ended: 9,
  stdin: 10,
  stdout: 11,
  stderr: 12,
  pidfd: 13,
  fifoOut: 700,
  fifoErr: 701,
  procMount: 702,
  sysMount: 703,
  /** The mount namespace to come back to. */
  ownMounts: 704,
  scratch: 705,
  ptyMaster: 706,
  ptySlave: 707,
  /** With an init, in a row: the signals, and two eventfds. */
  signals: 708,
  /** Carries the main process's status from the init to the shim. */
  mainStatus: 709,
  /** Lets the main process go on when the init's program is its own. */
  mainGo: 710,
  firstBind: 720,
} as const;

/** The limit of open files while a program runs; the container's own is set at its end. */
export const PROGRAM_OPEN_FILES = 4096;
