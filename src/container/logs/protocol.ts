/** What the main thread and the log worker say to each other. */
export type LogCommand =
  | {
      kind: "open";
      serial: number;
      id: string;
      stdout: string;
      stderr: string;
      /** Where the segments go; undefined to throw the output away. */
      directory: string | undefined;
      maxSize: number;
      maxFiles: number;
    }
  | { kind: "close"; serial: number; id: string }
  | { kind: "stop" };

export type LogNews =
  | { kind: "grew"; id: string }
  | { kind: "failed"; id: string; errno: number }
  | { kind: "done"; serial: number; error?: string };
