/**
 * Copies files in and out of containers, from inside their own root: `get` writes a tar of a path to a pipe, `put` unpacks a
 * tar from a pipe into a directory. Symlinks resolve as in the container itself.
 */
import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import { posix } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { BayError, hasCode } from "../../core/errors.ts";
import { withoutProc } from "../../linux/index.ts";
import { unpackInto } from "../layers/unpack.ts";
import { describeFile } from "../tar/describe.ts";
import { BLOCK, binary, bytesOf, encodeEntry, padding } from "../tar/header.ts";
import { fromDescriptor } from "../tar/read.ts";
import { type ContainerRoot, enterRoot } from "./enter-root.ts";

export type ArchiveTask = {
  direction: "get" | "put" | "stat";
  /** For "put": a directory and another kind of file do not replace each other. */
  keepKinds: boolean;
  path: string;
  /** The pipe's end, which the thread that starts the worker closes. */
  fd: number;
  root: ContainerRoot;
};

function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

/** Writes a path (a binary string) and everything below it; names begin with its last component. */
function get(path: string, fd: number): void {
  const base = posix.dirname(path);
  const walk = (at: string) => {
    const entry = describeIfThere(at, posix.relative(base, at) || posix.basename(at));
    if (!entry) return;
    writeAll(fd, encodeEntry(entry));
    if (entry.type === "file") writeContent(bytesOf(at), entry.size, fd);
    if (entry.type === "directory")
      for (const name of readdirSync(bytesOf(at), "latin1")) walk(posix.join(at, name));
  };
  walk(path);
  writeAll(fd, Buffer.alloc(2 * BLOCK));
}

/** A running container may remove a file between the listing of its directory and this call. */
function describeIfThere(at: string, name: string) {
  try {
    return describeFile(bytesOf(at), name);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function writeContent(path: Buffer, size: number, fd: number): void {
  const source = openSync(path, "r");
  const chunk = Buffer.alloc(1 << 16);
  try {
    for (let left = size; left > 0; ) {
      const count = readSync(source, chunk, 0, Math.min(chunk.length, left), null);
      // a file that shrinks while it is read is padded to the size in its header
      const bytes = count === 0 ? Buffer.alloc(Math.min(chunk.length, left)) : chunk.subarray(0, count);
      writeAll(fd, bytes);
      left -= bytes.length;
    }
  } finally {
    closeSync(source);
  }
  writeAll(fd, padding(size));
}

const task = workerData as ArchiveTask;
try {
  withoutProc(() => enterRoot(task.root));
  const stat = lstatSync(task.path, { throwIfNoEntry: false });
  if (!stat) throw new BayError("PATH_NOT_FOUND", `${task.path} is not in the container`);
  const { mode, size, mtimeMs } = stat;
  const answer = {
    name: posix.basename(task.path),
    size,
    mode,
    mtime: new Date(mtimeMs).toISOString(),
    isDirectory: statSync(task.path, { throwIfNoEntry: false })?.isDirectory() ?? false,
    linkTarget: stat.isSymbolicLink() ? readlinkSync(task.path) : "",
  };
  if (task.direction === "get") {
    parentPort?.postMessage({ stat: answer });
    get(binary(task.path), task.fd);
  } else if (task.direction === "put") {
    if (!answer.isDirectory) throw new BayError("BAD_REQUEST", `${task.path} is not a directory`);
    unpackInto(binary(task.path), fromDescriptor(task.fd), { keepKinds: task.keepKinds });
  }
  parentPort?.postMessage({ ok: true, stat: answer });
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  parentPort?.postMessage({ ok: false, code: code ?? "ARCHIVE", message });
}
