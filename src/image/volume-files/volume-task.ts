import { receivedError } from "../../core/received-error.ts";
import { close } from "../../linux/index.ts";
import { startWorker } from "../layers/worker-file.ts";

/** `directory` is the worker's root; `data`, the volume, and `staging`, a name, are inside it. */
export type VolumeTask =
  /** Writes a tar to a pipe. Returns PackedVolume. */
  | { kind: "pack"; directory: string; fd: number }
  /** Unpacks a tar from a pipe into the staging directory. Returns UnpackedVolume. */
  | { kind: "unpack"; directory: string; staging: string; fd: number; devices: boolean }
  | { kind: "clear"; directory: string; staging: string; data: string }
  | { kind: "fill"; directory: string; staging: string; data: string }
  | { kind: "sweep"; directory: string; staging: string };

export interface UnpackedVolume {
  entries: number;
  lostAttributes: number;
}

type Answer =
  | { ok: true; result: unknown }
  | { ok: false; code: string; message: string; hint: string | undefined };

/** MiB. The times of a million directories fit into it; an archive that needs more is rejected. */
const MOST_MEMORY = 1024;

/** Runs a task, and closes its descriptor, however the worker ends. Throws BayError with the task's code. */
export function runVolumeTask<Result>(task: VolumeTask): Promise<Result> {
  return new Promise((resolve, reject) => {
    const worker = startWorker("volume-worker", {
      workerData: task,
      stdout: false,
      stderr: false,
      resourceLimits: { maxOldGenerationSizeMb: MOST_MEMORY },
    });
    let answer: Answer = {
      ok: false,
      code: "VOLUME_TASK",
      message: "the worker ended without an answer",
      hint: undefined,
    };
    worker.on("message", (message: Answer) => {
      answer = message;
    });
    worker.on("error", (cause) => {
      answer = { ok: false, code: "VOLUME_TASK", message: cause.message, hint: undefined };
    });
    worker.on("exit", () => {
      if ("fd" in task) close(task.fd);
      if (answer.ok) return resolve(answer.result as Result);
      reject(receivedError(answer, "VOLUME_TASK"));
    });
  });
}
