/** Replaces mounts of one container, and ends (src/linux/remount.ts). */
import { parentPort, workerData } from "node:worker_threads";
import { type Remount, remount } from "../../linux/index.ts";

try {
  remount(workerData as Remount);
  parentPort?.postMessage({ ok: true });
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  parentPort?.postMessage({ ok: false, code: code ?? "CONFINED_TASK", message });
}
