/** What a watch reports. `bay watch --json` prints these events, one a line; fields are only added within a version. */

export const EVENTS_VERSION = 1;

export type WatchEvent =
  /** The files are watched, and the session with bayd is open. */
  | { type: "watching"; stack: string; services: string[]; files: number }
  /** Files were written into a container. `initial`: before its process started, or when the watch began. */
  | {
      type: "sync";
      service: string;
      container: string;
      files: number;
      removed: number;
      ms: number;
      initial: boolean;
      paths: string[];
    }
  | { type: "sync-failed"; service: string; container: string; path: string; message: string; more: number }
  /** A part of the watched files could not be read; it is tried again. */
  | { type: "read-failed"; service: string; path: string; message: string }
  | { type: "restart"; service: string; containers: string[]; ms: number }
  | { type: "restart-failed"; service: string; message: string }
  | { type: "exec"; service: string; container: string; command: string[]; exitCode: number; output: string }
  | { type: "exec-failed"; service: string; container: string; message: string }
  | { type: "build-started"; service: string }
  | { type: "build-output"; service: string; text: string }
  /** A newer change made the build useless. */
  | { type: "build-cancelled"; service: string }
  | { type: "build-failed"; service: string; message: string; hint?: string }
  | { type: "rebuilt"; service: string; image: string; isNew: boolean; ms: number }
  /** The stack file changed: its plan. `applied` says what happens with it. */
  | { type: "plan"; steps: number; text: string; destructive: boolean; applied: boolean }
  | { type: "applied"; steps: number; ms: number }
  | { type: "stack-failed"; message: string; hint?: string }
  /** A path is polled from now on. */
  | { type: "polling"; path: string; reason: string; hint?: string }
  | { type: "skipped"; service: string; paths: string[]; reason: string }
  | { type: "disconnected" }
  | { type: "connected" };

export type Report = (event: WatchEvent) => void;

/** An event as a line of --json. */
export const eventLine = (event: WatchEvent, now = new Date()): string =>
  `${JSON.stringify({ version: EVENTS_VERSION, time: now.toISOString(), ...event })}\n`;
