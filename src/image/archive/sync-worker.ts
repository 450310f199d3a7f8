/** Applies batches of file changes in containers, one after the other, each from inside the container's own root. */
import { parentPort } from "node:worker_threads";
import { inPrivateMounts, withoutProc } from "../../linux/index.ts";
import { type ContainerRoot, enterRoot } from "./enter-root.ts";
import { applyOperations, type SyncOperation, type SyncOwner } from "./sync-operations.ts";

export interface SyncTask {
  id: number;
  root: ContainerRoot;
  operations: SyncOperation[];
  bytes: Uint8Array;
  owner: SyncOwner;
  /** Paths of the container where something is mounted. */
  mounts: string[];
}

parentPort?.on("message", ({ id, root, operations, bytes, owner, mounts }: SyncTask) => {
  try {
    const result = inPrivateMounts(() => {
      withoutProc(() => enterRoot(root));
      return applyOperations(operations, bytes, owner, { mounts });
    });
    parentPort?.postMessage({ id, result });
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    parentPort?.postMessage({ id, error: { code: code ?? "SYNC_FAILED", message } });
  }
});
