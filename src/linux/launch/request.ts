/** The input of the launcher: an OCI spec and the host objects that it needs, all resolved. */
import type { Spec } from "../spec.ts";

/** An overlay to assemble: directories under `layers`, the topmost first, and one writable pair. */
export interface OverlayRoot {
  layersDirectory: string;
  lower: string[];
  upper: string;
  work: string;
}

/** The three standard streams of the first process. */
export type Stdio =
  | {
      kind: "fifos";
      stdin: string | undefined;
      /** Open for reading only: the container reads end of file when the last writer closes. */
      stdinEnds?: boolean;
      stdout: string;
      stderr: string;
    }
  | { kind: "tty" }
  /** Descriptors of the caller; null is an empty stream of the container. */
  | { kind: "fds"; stdin: number | null; stdout: number | null; stderr: number | null };

/** Sockets inside the container's network namespace. */
export interface KeptSockets {
  udp: number;
  tcp: number;
}

export interface LaunchRequest {
  spec: Spec;
  /** Shown by ps(1) as the shim's name. */
  name: string;
  programFile: string;
  overlay: OverlayRoot | undefined;
  /** Files to which a process writes 0 to join its cgroup: one per hierarchy. */
  cgroupJoinFiles: string[];
  shimJoinFiles: string[];
  /** The FIFO that announces ends, and the 8 bytes to write to it. */
  exitFifo: string;
  token: Buffer;
  stdio: Stdio;
  /** Run a minimal init as PID 1: it forwards signals and reaps processes. */
  init: boolean;
  /**
   * Called when the container's file systems are mounted; its process waits until the promise has resolved. The root is
   * still writable then.
   */
  mounted?: ((process: { pid: number; start: number }) => Promise<void>) | undefined;
  /** The shim keeps copies of these for the next bayd (`takeKeptSockets`). */
  keptSockets?: KeptSockets | undefined;
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
  exitFifo: string;
  token: Buffer;
  stdio: Stdio;
}
