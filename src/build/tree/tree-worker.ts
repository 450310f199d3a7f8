/** The worker for file trees (tasks.ts). It enters each source and target as its root, so no path can lead outside. */
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { parentPort } from "node:worker_threads";
import { BayError } from "../../core/errors.ts";
import {
  binary,
  COMPRESSIONS,
  loadCompression,
  packHere,
  type WorkerAnswer,
} from "../../image/for-workers.ts";
import { inPrivateMounts, mountOverlay, mountTmpfs, ThreadRoot } from "../../linux/index.ts";
import { IgnorePatterns } from "../ignore.ts";
import { copyMatches, writeGiven } from "./copy.ts";
import { DigestCache, digestOf } from "./digest.ts";
import { makeDirectories } from "./directories.ts";
import { matchSources } from "./select.ts";
import type { Selection, TreeRoot, TreeTarget, TreeTask } from "./tasks.ts";

/** The places in the staging directory, on a tmpfs that only this task sees. */
function prepareStaging(staging: string): void {
  mountTmpfs(staging);
  for (const name of ["source", "target", "empty", "empty2"]) mkdirSync(join(staging, name));
}

function mountSource(root: TreeRoot, staging: string): string {
  if (root.kind === "folder") return root.path;
  const lower = root.lower.map((name) => join(root.directory, name));
  // overlayfs requires two
  while (lower.length < 2) lower.push(join(staging, lower.length === 0 ? "empty" : "empty2"));
  mountOverlay(join(staging, "source"), { lower });
  return join(staging, "source");
}

function mountTarget(target: TreeTarget): string {
  if ("folder" in target) return target.folder;
  const { directory, lower, upper, work, staging } = target;
  const all = lower.length > 0 ? lower.map((name) => join(directory, name)) : [join(staging, "empty")];
  mountOverlay(join(staging, "target"), { lower: all, writable: { upper, work } });
  return join(staging, "target");
}

/** Runs an action with the roots, which are closed after it. */
function withRoot<T>(directory: string, action: (root: ThreadRoot) => T): T {
  const root = new ThreadRoot(directory);
  try {
    return action(root);
  } finally {
    root.close();
  }
}

function digest(selection: Selection, cacheFile: string | undefined): string {
  const { root, sources } = selection;
  const staging = root.kind === "layers" ? root.staging : undefined;
  const cache = new DigestCache(cacheFile);
  const result = inPrivateMounts(() => {
    if (staging) prepareStaging(staging);
    return withRoot(mountSource(root, staging ?? ""), (source) => {
      source.enter();
      const [ignore, excludes] = [
        new IgnorePatterns(selection.ignore),
        new IgnorePatterns(selection.excludes),
      ];
      const matches = matchSources(sources, ignore, excludes);
      return digestOf(matches, ignore, excludes, root.kind === "layers", cache);
    });
  });
  cache.save();
  return result;
}

function archive({ root, file }: Extract<TreeTask, { kind: "archive" }>): string {
  const out = openSync(file, "wx", 0o600);
  try {
    return inPrivateMounts(() => {
      prepareStaging(root.staging);
      return withRoot(mountSource(root, root.staging), (source) => {
        source.enter();
        packHere((bytes) => {
          for (let at = 0; at < bytes.length; ) at += writeSync(out, bytes, at);
        });
        return "";
      });
    });
  } finally {
    closeSync(out);
  }
}

function run(task: TreeTask): string {
  if (task.kind === "digest") return digest(task.selection, task.cacheFile);
  if (task.kind === "archive") return archive(task);
  return inPrivateMounts(() => {
    prepareStaging(task.into.staging);
    const from = task.kind === "copy" ? mountSource(task.selection.root, task.into.staging) : undefined;
    return withRoot(mountTarget(task.into), (target) => {
      if (task.kind === "write") {
        target.enter();
        writeGiven(task.files, task.options);
        return "";
      }
      if (task.kind === "directory") {
        target.enter();
        makeDirectories(binary(task.path), { owner: task.owner, newest: undefined });
        return "";
      }
      return withRoot(from!, (source) => {
        const { selection, options } = task;
        const [ignore, excludes] = [
          new IgnorePatterns(selection.ignore),
          new IgnorePatterns(selection.excludes),
        ];
        source.enter();
        const matches = matchSources(selection.sources, ignore, excludes);
        const isImage = selection.root.kind === "layers";
        copyMatches({ source, target, options, isImage }, matches, ignore, excludes);
        return "";
      });
    });
  });
}

for (const kind of COMPRESSIONS) {
  try {
    loadCompression(kind); // from inside a root the library would not be found
  } catch {
    // reported when an archive needs it
  }
}
parentPort!.on("message", (task: TreeTask) => {
  let answer: WorkerAnswer;
  try {
    answer = { ok: true, result: run(task) };
  } catch (error) {
    const { code, message, hint } = error as { code?: string; message: string; hint?: string };
    answer = {
      ok: false,
      code: error instanceof BayError ? error.code : (code ?? "CONFINED_TASK"),
      message,
      hint,
    };
  }
  parentPort!.postMessage(answer);
});
