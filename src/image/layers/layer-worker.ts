/** The worker for layers. */
import { parentPort } from "node:worker_threads";
import type { LayerTask } from "./layer-pool.ts";
import { runTask } from "./layer-tasks.ts";

parentPort!.on("message", (task: LayerTask) => parentPort!.postMessage(runTask(task)));
