/** Fills a volume with the files of the image at its mount point, as Docker does. Runs one task and ends. */
import { lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { bindMount, confineTo, mountOverlay, mountTmpfs, privateMounts } from "../../linux/index.ts";
import { copyTree } from "./copy-tree.ts";
import type { FillTask } from "./fill-volume.ts";

function fillVolume(task: FillTask): void {
  privateMounts();
  mountTmpfs(task.staging);
  for (const name of ["upper", "work", "root"]) mkdirSync(join(task.staging, name));
  const lower = task.lower.map((name) => join(task.layersDirectory, name));
  const root = join(task.staging, "root");
  const writable = { upper: join(task.staging, "upper"), work: join(task.staging, "work") };
  mountOverlay(root, { lower, writable });
  const inside = "/.bay-volume";
  mkdirSync(join(root, inside));
  bindMount(task.volume, join(root, inside));
  confineTo(root);
  const source = lstatSync(task.path, { throwIfNoEntry: false });
  if (source?.isDirectory()) copyTree(task.path, inside);
}

try {
  fillVolume(workerData as FillTask);
  parentPort?.postMessage({ ok: true });
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  parentPort?.postMessage({ ok: false, code: code ?? "CONFINED_TASK", message });
}
