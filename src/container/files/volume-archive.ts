/**
 * Backup and restore of a volume, as tar streams. A restore is all or nothing: the archive is unpacked beside the files of
 * the volume, and then replaces them by renames. If bayd is killed meanwhile, the next bayd completes them.
 */
import type { Readable } from "node:stream";
import { BayError, messageOf } from "../../core/errors.ts";
import { type PackedVolume, runVolumeTask, type UnpackedVolume } from "../../image/index.ts";
import { createPipe } from "../../linux/index.ts";
import type { VolumeRecord, VolumeRestore, VolumeStore } from "../../volume/index.ts";
import type { ContainerManager } from "../manager.ts";
import { volumesOf } from "../model/config.ts";
import type { ContainerRecord } from "../model/record.ts";
import { isRunning } from "../model/records.ts";
import { feedWorker, workerPipe } from "./worker-pipes.ts";

/** Containers that can write to a volume. */
const writersOf = (manager: ContainerManager, volume: string): ContainerRecord[] =>
  runnersOf(manager, volume).filter((record) => record.state.status !== "paused");

/** Containers that run, or start and wait for files of a watch, which are written to their volumes. */
const runnersOf = (manager: ContainerManager, volume: string): ContainerRecord[] =>
  manager
    .list()
    .filter((record) => isRunning(record) || manager.waitingForFiles.has(record.id))
    .filter(({ config }) => volumesOf(config).includes(volume));

function known(volumes: VolumeStore, name: string): VolumeRecord {
  const record = volumes.get(name);
  if (!record)
    throw new BayError("VOLUME_NOT_FOUND", `the volume ${name} does not exist`, {
      hint: "bay volume ls lists the volumes; the volume data of the stack shop is named shop_data",
    });
  if (record.restore)
    throw new BayError("VOLUME_BUSY", `the restore of the volume ${name} has not ended`, {
      hint: "restart bayd to complete it (bay daemon stop; bay volume ls)",
    });
  return record;
}

/** Releases a volume, and unmounts it if no container uses it. */
function letGo(manager: ContainerManager, name: string, release: () => void): void {
  release();
  if (runnersOf(manager, name).length === 0) manager.volumes.detach(name);
}

export interface VolumeBackup {
  stream: Readable;
  /** Containers that can write to the volume during the backup. */
  writers: string[];
  /** Rejects if the stream is cut off. */
  done: Promise<PackedVolume>;
}

/**
 * Starts a tar of a volume. `pause` pauses the containers that use it meanwhile. Throws VOLUME_NOT_FOUND, VOLUME_BUSY,
 * VOLUME_MOUNT.
 */
export async function backupVolume(
  manager: ContainerManager,
  name: string,
  options: { pause: boolean },
): Promise<VolumeBackup> {
  const { volumes } = manager;
  known(volumes, name);
  const release = volumes.hold(name, "backed up");
  const paused: string[] = [];
  const end = async () => {
    for (const id of paused) await manager.holdStill(id, false).catch(() => {}); // it ended meanwhile
    letGo(manager, name, release);
  };
  try {
    await volumes.mount(name);
    if (options.pause)
      for (const { id, state } of writersOf(manager, name)) {
        if (state.status !== "running") continue; // a start that waits for files cannot be paused
        await manager.holdStill(id, true);
        paused.push(id);
      }
    const writers = writersOf(manager, name).map(({ config }) => config.name);
    const pipe = createPipe("read");
    const stream = workerPipe(pipe.read, "read");
    const task = { kind: "pack" as const, directory: volumes.path(name), fd: pipe.write };
    const done = runVolumeTask<PackedVolume>(task).finally(end);
    done.catch((error) => manager.emit("warning", `backup of the volume ${name}: ${messageOf(error)}`));
    return { stream, writers, done };
  } catch (error) {
    await end();
    throw error;
  }
}

export interface RestoreOptions {
  /** Restore even if running containers use the volume. */
  force: boolean;
  /** Create device files, too. */
  devices: boolean;
}

/**
 * Replaces the files of a volume by those of a tar, plain or compressed. A volume that does not exist is created. The volume
 * changes only if the archive is complete: `isWhole` is called at the end of the stream and returns whether the client sent
 * all of it. Throws VOLUME_IN_USE, VOLUME_BUSY, VOLUME_MOUNT, BAD_TAR, BAD_LAYER, DEVICE_FILE, DISK_FULL.
 */
export async function restoreVolume(
  manager: ContainerManager,
  name: string,
  options: RestoreOptions,
  archive: Readable,
  isWhole: () => boolean,
): Promise<UnpackedVolume> {
  const { volumes } = manager;
  const requireUnused = () => {
    const users = runnersOf(manager, name).map(({ config }) => config.name);
    if (users.length > 0 && !options.force)
      throw new BayError("VOLUME_IN_USE", `the volume ${name} is used by ${users.join(", ")}`, {
        hint: "stop the containers first, or use --force",
      });
  };
  requireUnused();
  const isNew = volumes.get(name) === undefined;
  if (isNew) volumes.create({ name, stack: undefined, key: undefined, anonymous: false, labels: {} });
  known(volumes, name);
  const release = volumes.hold(name, "restored");
  let isDone = false;
  try {
    await volumes.mount(name);
    const places = volumes.restorePlaces(name);
    volumes.noteRestore(name, { phase: "unpacking", staging: places.staging });
    let result: UnpackedVolume;
    try {
      result = await unpack(places, options.devices, archive);
      if (!isWhole()) throw new BayError("BAD_TAR", "the archive ended too early");
      requireUnused(); // a container may have been starting when the restore began
    } catch (error) {
      await endRestore(manager, name);
      throw error;
    }
    volumes.noteRestore(name, { phase: "clearing", staging: places.staging });
    await endRestore(manager, name);
    isDone = true;
    return result;
  } finally {
    letGo(manager, name, release);
    if (isNew && !isDone && !volumes.get(name)?.restore) volumes.remove(name);
  }
}

async function unpack(
  { directory, staging }: { directory: string; staging: string },
  devices: boolean,
  archive: Readable,
): Promise<UnpackedVolume> {
  const pipe = createPipe("write");
  const stream = workerPipe(pipe.write, "write");
  const stop = feedWorker(archive, stream);
  try {
    return await runVolumeTask({ kind: "unpack", directory, staging, fd: pipe.read, devices });
  } finally {
    stop();
  }
}

/** Completes a restore that was interrupted: undoes it if the archive was not unpacked completely, finishes it otherwise. */
async function endRestore(manager: ContainerManager, name: string): Promise<void> {
  const { volumes } = manager;
  const { staging, phase } = volumes.get(name)!.restore!;
  const { directory, data } = volumes.restorePlaces(name);
  const note = (next: VolumeRestore["phase"]) => volumes.noteRestore(name, { phase: next, staging });
  if (phase === "clearing") {
    try {
      await runVolumeTask({ kind: "clear", directory, data, staging });
    } catch (error) {
      note("unpacking"); // the worker moved the old files back; the staging directory is removed
      await endRestore(manager, name);
      throw error;
    }
    await manager.store.flush();
    note("filling");
  }
  if (phase !== "unpacking") await runVolumeTask({ kind: "fill", directory, data, staging });
  await runVolumeTask({ kind: "sweep", directory, staging });
  volumes.noteRestore(name, undefined);
}

/** Completes the restores that an earlier bayd left unfinished. Warns of one that fails; the next start tries it again. */
export async function endRestores(manager: ContainerManager): Promise<void> {
  for (const { config, restore } of manager.volumes.list()) {
    if (!restore) continue;
    const { name } = config;
    try {
      await manager.volumes.mount(name);
      await endRestore(manager, name);
      manager.emit(
        "warning",
        `the restore of the volume ${name} was interrupted: ${
          restore.phase === "unpacking" ? "the volume is unchanged" : "it is complete now"
        }`,
      );
    } catch (error) {
      manager.emit(
        "warning",
        `the restore of the volume ${name} was interrupted and cannot be completed: ${messageOf(error)}`,
      );
    }
  }
}
