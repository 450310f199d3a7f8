/** Messages between the main thread and the log worker. */
/** The FIFOs of a container's output, and where it is stored. */
export interface LogFiles {
  id: string;
  stdout: string;
  stderr: string;
  /** The directory of the segments; undefined to discard the output. */
  directory: string | undefined;
  maxSize: number;
  maxFiles: number;
}

export type LogCommand =
  | ({ kind: "open"; serial: number } & LogFiles)
  | { kind: "close"; serial: number; id: string }
  | { kind: "stop" };

export type LogNews =
  | { kind: "grew"; id: string }
  | { kind: "failed"; id: string; errno: number }
  | { kind: "done"; serial: number; error?: string };
