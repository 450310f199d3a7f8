/**
 * Runs one task on the files of a volume, from inside the directory that contains it, so that no name or link in the volume
 * or in an archive can lead outside.
 *
 * A restore has four steps. `unpack` puts the whole archive into a staging directory, and the volume stays unchanged. `clear`
 * moves the volume's files aside, `fill` moves the new ones in, `sweep` removes the rest. Each can be run again after a kill:
 * a step only moves what has not been moved yet.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { posix } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { hasCode } from "../../core/errors.ts";
import { confineTo, getXattrs, setTimes, setXattr, syncFileSystem } from "../../linux/index.ts";
import { requireRoom } from "../../store/index.ts";
import { compressionOf, decompress, loadCompression } from "../compression/index.ts";
import { MAGIC_SIZE } from "../compression/magic.ts";
import { unpackVolume } from "../layers/unpack.ts";
import { bytesOf } from "../tar/header.ts";
import { fromDescriptor, type ReadBytes } from "../tar/read.ts";
import { packVolume } from "./pack-volume.ts";
import type { VolumeTask } from "./volume-task.ts";

/** Bytes between two checks of the free disk space. */
const LOOK_EVERY = 4 << 20;

function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

/** The plain bytes of a stream that may be compressed. The library is loaded before the thread is confined. */
function plain(read: ReadBytes): { read: ReadBytes; close: () => void } {
  const parts: Buffer[] = [];
  let size = 0;
  while (size < MAGIC_SIZE) {
    const part = Buffer.from(read(MAGIC_SIZE - size));
    if (part.length === 0) break;
    parts.push(part);
    size += part.length;
  }
  let head: Buffer = Buffer.concat(parts);
  const kind = compressionOf(head);
  loadCompression(kind);
  const whole: ReadBytes = (length) => {
    if (head.length === 0) return read(length);
    const part = head.subarray(0, length);
    head = head.subarray(part.length);
    return part;
  };
  return decompress(kind, whole, Number.POSITIVE_INFINITY);
}

function lookingAtDisk(read: ReadBytes, shown: string): ReadBytes {
  let left = 0;
  return (length) => {
    const part = read(length);
    left -= part.length;
    if (left < 0) {
      requireRoom("/", 0, shown);
      left = LOOK_EVERY;
    }
    return part;
  };
}

function unpack({ directory, staging, fd, devices }: Extract<VolumeTask, { kind: "unpack" }>) {
  const source = plain(fromDescriptor(fd));
  try {
    confineTo(directory);
    rmSync(`/${staging}`, { recursive: true, force: true });
    mkdirSync(`/${staging}`, { mode: 0o700 });
    mkdirSync(newOf(staging), { mode: 0o755 });
    confineTo(newOf(staging));
    return unpackVolume(lookingAtDisk(source.read, directory), devices);
  } finally {
    source.close();
  }
}

const BILLION = 1_000_000_000n;
const newOf = (staging: string) => `/${staging}/new`;
const oldOf = (staging: string) => `/${staging}/old`;

/** Moves the entries of one directory to another. The staging directory may be in the volume's root, and is not moved. */
function moveAll(from: string, to: string, staging: string): void {
  for (const name of readdirSync(from, "latin1"))
    if (from !== "/" || name !== staging)
      move(bytesOf(posix.join(from, name)), bytesOf(posix.join(to, name)));
}

function move(from: Buffer, to: Buffer): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!hasCode(error, "ENOTEMPTY", "EEXIST", "ENOTDIR", "EISDIR")) throw error;
    rmSync(to, { recursive: true, force: true }); // a running container created it meanwhile
    renameSync(from, to);
  }
}

/** If something cannot be moved (a mount), the volume stays unchanged. */
function clear({ data, staging }: Extract<VolumeTask, { kind: "clear" }>): void {
  const root = openSync("/", "r");
  syncFileSystem(root); // the new files must be on the disk before the old ones are removed
  closeSync(root);
  mkdirSync(oldOf(staging), { recursive: true, mode: 0o700 });
  try {
    moveAll(data, oldOf(staging), staging);
  } catch (error) {
    moveAll(oldOf(staging), data, staging);
    throw error;
  }
}

function fill({ data, staging }: Extract<VolumeTask, { kind: "fill" }>): void {
  const from = newOf(staging);
  if (!lstatSync(from, { throwIfNoEntry: false })) return;
  const { uid, gid, mode, mtimeNs } = statSync(from, { bigint: true });
  const xattrs = getXattrs(from);
  moveAll(from, data, staging);
  chownSync(data, Number(uid), Number(gid));
  chmodSync(data, Number(mode) & 0o7777);
  for (const [name, value] of xattrs) setXattr(data, name, value);
  const rest = ((mtimeNs % BILLION) + BILLION) % BILLION;
  setTimes(data, Number((mtimeNs - rest) / BILLION), Number(rest));
}

function run(task: VolumeTask): unknown {
  if (task.kind === "unpack") return unpack(task);
  confineTo(task.directory);
  switch (task.kind) {
    case "pack":
      return packVolume((bytes) => writeAll(task.fd, bytes));
    case "clear":
      return clear(task);
    case "fill":
      return fill(task);
    case "sweep":
      return rmSync(`/${task.staging}`, { recursive: true, force: true });
  }
}

const task = workerData as VolumeTask;
try {
  parentPort!.postMessage({ ok: true, result: run(task) });
} catch (error) {
  const { code, message, hint } = error as { code?: string; message: string; hint?: string };
  parentPort!.postMessage({ ok: false, code: code ?? "VOLUME_TASK", message, hint });
}
