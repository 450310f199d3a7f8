import { receivedError } from "../../core/received-error.ts";
import { startWorker } from "../layers/worker-file.ts";

export interface FillTask {
  layersDirectory: string;
  lower: string[];
  staging: string;
  volume: string;
  path: string;
}

type Answer = { ok: true } | { ok: false; code: string; message: string };

/** Fills a volume from an image (fill-worker.ts). Throws BayError with the task's code. */
export function fillVolume(task: FillTask): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = startWorker("fill-worker", { workerData: task, stdout: false, stderr: false });
    let answer: Answer | undefined;
    worker.on("message", (message: Answer) => {
      answer = message;
    });
    worker.on("error", (cause) => {
      answer = { ok: false, code: "CONFINED_TASK", message: cause.message };
    });
    worker.on("exit", () => {
      if (answer?.ok) resolve();
      else
        reject(receivedError(answer ?? { message: "the worker ended without an answer" }, "CONFINED_TASK"));
    });
  });
}
