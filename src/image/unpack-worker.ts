/** The confined worker: does one task and ends. Everything it needs is loaded before it confines itself. */
import { lstatSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { bindMount, confineTo, mountOverlay, mountTmpfs, privateMounts } from "../linux/index.ts";
import type { ConfinedTask } from "./confined.ts";
import { copyTree } from "./copy-tree.ts";
import { fromDescriptor } from "./tar/read.ts";
import { unpackHere } from "./unpack.ts";

function unpack(task: Extract<ConfinedTask, { kind: "unpack" }>): void {
  const fd = openSync(task.tarFile, "r");
  process.umask();
  confineTo(task.directory);
  unpackHere(fromDescriptor(fd));
}

/** Fills a volume with what the image has at its mount point, as Docker does. */
function fillVolume(task: Extract<ConfinedTask, { kind: "fill" }>): void {
  privateMounts();
  mountTmpfs(task.staging);
  for (const name of ["upper", "work", "root"]) mkdirSync(join(task.staging, name));
  const lower = task.lower.map((name) => join(task.layersDirectory, name)).join(":");
  const root = join(task.staging, "root");
  mountOverlay(
    root,
    `lowerdir=${lower},upperdir=${join(task.staging, "upper")},workdir=${join(task.staging, "work")}`,
  );
  const inside = "/.bay-volume";
  mkdirSync(join(root, inside));
  bindMount(task.volume, join(root, inside));
  confineTo(root);
  const source = lstatSync(task.path, { throwIfNoEntry: false });
  if (source?.isDirectory()) copyTree(task.path, inside);
}

try {
  const task = workerData as ConfinedTask;
  if (task.kind === "unpack") unpack(task);
  else fillVolume(task);
  parentPort?.postMessage({ ok: true });
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  parentPort?.postMessage({ ok: false, code: code ?? "CONFINED_TASK", message });
}
