/** Copies files in and out of containers as tar streams; a confined worker does the work (archive-worker.ts). */
import type { Socket } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { BayError } from "../../core/errors.ts";
import { receivedError } from "../../core/received-error.ts";
import { isInLayers, type ListedChange, runLayerTask, startWorker } from "../../image/index.ts";
import { close, createPipe, openProcess } from "../../linux/index.ts";
import { containerDirectory, lookupDirectories, mountPoint } from "../lifecycle/start.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";
import { isRunning } from "../model/records.ts";
import { feedWorker, workerPipe } from "./worker-pipes.ts";

export interface PathStat {
  name: string;
  size: number;
  mode: number;
  mtime: string;
  isDirectory: boolean;
  linkTarget: string;
}

type Answer = { stat: PathStat; ok?: true } | { ok: false; code: string; message: string };

export async function rootOf(host: Host, record: ContainerRecord) {
  const process = isRunning(record) ? record.state : host.waitingForFiles.get(record.id);
  if (process) {
    const pidfd = openProcess(process.pid, process.start);
    if (pidfd !== undefined) return { kind: "process" as const, pidfd };
  }
  const directory = containerDirectory(host, record.id);
  const [upper = "", ...lower] = lookupDirectories(
    host,
    record,
    await host.images.get(record.config.image, record.config.imageId),
  );
  return {
    kind: "overlay" as const,
    target: mountPoint(host),
    lower,
    upper,
    work: join(directory, "work"),
    mounts: record.config.mounts.flatMap((mount) => {
      if (mount.type === "tmpfs" || mount.type === "image") return []; // none of its files belong to the container
      const source = mount.type === "volume" ? host.volumes.path(mount.source) : mount.source;
      return [{ source, target: mount.target, readOnly: mount.readOnly }];
    }),
  };
}

/** The container's file system without its volumes. The writable layer is only read. */
async function wholeOf(host: Host, record: ContainerRecord) {
  const image = await host.images.get(record.config.image, record.config.imageId);
  return { kind: "layers" as const, target: mountPoint(host), lower: lookupDirectories(host, record, image) };
}

async function work(
  host: Host,
  record: ContainerRecord,
  direction: "get" | "put" | "stat" | "export",
  path: string,
  keepKinds = false,
): Promise<{ stat: Promise<PathStat>; done: Promise<void>; stream: Socket }> {
  // a stopped container is not started while its files are mounted here
  const endTurn = direction === "export" ? () => {} : await host.fileTurns.begin(record.id);
  const begin = async () => {
    const root = direction === "export" ? await wholeOf(host, record) : await rootOf(host, record);
    const pipe = createPipe(direction === "put" ? "write" : "read");
    const [own, theirs] = direction === "put" ? [pipe.write, pipe.read] : [pipe.read, pipe.write];
    const worker = startWorker("archive-worker", {
      workerData: {
        direction: direction === "export" ? "get" : direction,
        path: join("/", path),
        keepKinds,
        fd: theirs,
        root,
      },
    });
    return { root, own, theirs, worker };
  };
  const { root, own, theirs, worker } = await begin().catch((error: unknown) => {
    endTurn();
    throw error;
  });
  if (root.kind === "process") endTurn();
  const stream = workerPipe(own, direction === "put" ? "write" : "read");
  let settleStat: (stat: PathStat) => void = () => {};
  let failStat: (error: Error) => void = () => {};
  const stat = new Promise<PathStat>((resolve, reject) => {
    settleStat = resolve;
    failStat = reject;
  });
  stat.catch(() => {});
  const done = new Promise<void>((resolve, reject) => {
    let failure: BayError | undefined;
    worker.on("message", (answer: Answer) => {
      if ("stat" in answer) settleStat(answer.stat);
      else {
        failure = receivedError(answer, "ARCHIVE");
        failStat(failure);
      }
    });
    worker.on("error", (cause) => {
      failure = new BayError("ARCHIVE", cause.message, { cause });
      failStat(failure);
    });
    worker.on("exit", () => {
      endTurn();
      close(theirs);
      if (root.kind === "process") close(root.pidfd);
      if (failure) reject(failure);
      else resolve();
    });
  });
  done.catch(() => {});
  return { stat, done, stream };
}

/** A tar of a path; `done` rejects if the stream is cut off. Throws PATH_NOT_FOUND. */
export async function readArchive(
  host: Host,
  record: ContainerRecord,
  path: string,
): Promise<{ stat: PathStat; stream: Readable; done: Promise<void> }> {
  const { stat, stream, done } = await work(host, record, "get", path);
  return { stat: await stat, stream, done };
}

/** A tar of a container's whole file system without its volumes. `done` rejects if the stream is cut off. */
export async function exportContainer(
  host: Host,
  record: ContainerRecord,
): Promise<{ stream: Readable; done: Promise<void> }> {
  const { stat, stream, done } = await work(host, record, "export", "/");
  await stat;
  return { stream, done };
}

export interface FileChange {
  path: string;
  kind: "changed" | "added" | "deleted";
}

/** Returns the files that a container changed, compared with its image. */
export async function changesOf(host: Host, record: ContainerRecord): Promise<FileChange[]> {
  const image = await host.images.get(record.config.image, record.config.imageId);
  const [upper = "", ...lower] = lookupDirectories(host, record, image);
  const listed = JSON.parse(await runLayerTask({ kind: "list", directory: upper })) as ListedChange[];
  return listed.map(({ path, isWhiteout }) => ({
    path,
    kind: isWhiteout ? "deleted" : isInLayers(lower, path) ? "changed" : "added",
  }));
}

export async function statPath(host: Host, record: ContainerRecord, path: string): Promise<PathStat> {
  const { stat, stream } = await work(host, record, "stat", path);
  stream.resume();
  return stat;
}

/**
 * Unpacks a tar into a directory. With `keepKinds`, replacing a directory by another kind of file, or a file by a directory,
 * throws BAD_REQUEST. Throws PATH_NOT_FOUND, BAD_LAYER, BAD_TAR.
 */
export async function writeArchive(
  host: Host,
  record: ContainerRecord,
  path: string,
  tar: Readable,
  keepKinds = false,
): Promise<void> {
  const { done, stream } = await work(host, record, "put", path, keepKinds);
  const stop = feedWorker(tar, stream);
  try {
    await done;
  } finally {
    stop();
  }
}
