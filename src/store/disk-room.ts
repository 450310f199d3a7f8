/**
 * How much room is left where bay keeps its files. The last part of it is a reserve for bay's own state and for starts
 * of containers: nothing that only fills the disk (pulls, loads, imports, builds, commits) may take it.
 */
import { statfsSync } from "node:fs";
import { BayError, hasCode } from "../core/errors.ts";
import type { Roots } from "../core/roots.ts";
import { formatSize } from "../core/sizes.ts";

const MIB = 1 << 20;
/** The reserve, as a fraction of the file system and as a size; the smaller of the two applies. */
const WARN = { part: 0.1, bytes: 2048 * MIB, files: 100_000 };
const RESERVE = { part: 0.02, bytes: 256 * MIB, files: 10_000 };

/** A file system at one path. Sizes are in bytes; numbers of files are 0 if the file system does not limit them. */
export interface Room {
  path: string;
  total: number;
  free: number;
  totalFiles: number;
  freeFiles: number;
  /** bay warns when less than this is free. */
  warnBelow: number;
  /** The size of bay's reserve. */
  reserve: number;
  state: "ok" | "low" | "full";
}

/** Reads the state of the file system at a path. Throws the system's error (ENOENT). */
export function roomOf(path: string): Room {
  const { bsize, blocks, bavail, files, ffree } = statfsSync(path);
  return judge({ path, total: blocks * bsize, free: bavail * bsize, totalFiles: files, freeFiles: ffree });
}

/** Interprets the figures of a file system. Pure. */
export function judge(room: Omit<Room, "warnBelow" | "reserve" | "state">): Room {
  const bound = ({ part, bytes, files }: typeof WARN) => ({
    bytes: Math.min(room.total * part, bytes),
    files: Math.min(room.totalFiles * part, files),
  });
  const [warn, reserve] = [bound(WARN), bound(RESERVE)];
  const isBelow = (limit: { bytes: number; files: number }) =>
    room.free < limit.bytes || (room.totalFiles > 0 && room.freeFiles < limit.files);
  const state = isBelow(reserve) ? "full" : isBelow(warn) ? "low" : "ok";
  return { ...room, warnBelow: Math.ceil(warn.bytes), reserve: Math.ceil(reserve.bytes), state };
}

let watched: Pick<Roots, "root" | "run"> | undefined;

/** Sets the roots that are named in errors without a path (write(2)). */
export function watchRooms(roots: Pick<Roots, "root" | "run">): void {
  watched = roots;
}

/**
 * Converts an error of a full disk to one that says where it is and what frees space; undefined for other errors. Workers
 * pass errno names on as codes.
 */
export function diskFullError(thrown: unknown): BayError | undefined {
  if (!hasCode(thrown, "ENOSPC", "EDQUOT")) return undefined;
  const { path } = thrown as { path?: string };
  const rooms = watched ? [roomOf(watched.root), roomOf(watched.run)] : [];
  // without a path: large files are below the root, and the file may have been removed again by now
  const room =
    rooms.find((each) => path?.startsWith(`${each.path}/`)) ??
    rooms.find(({ state }) => state === "full") ??
    rooms[0];
  const where = room
    ? `the disk of ${room.path} ${room.state === "ok" ? "was" : "is"} full: ${roomText(room)}`
    : "the disk is full";
  const what = path ? `${path} could not be written` : "a file could not be written";
  return new BayError("DISK_FULL", `${what}: ${where}`, { hint: HOW_TO_FREE });
}

/** What frees space on the disk; one text for every message. */
export const HOW_TO_FREE =
  "bay system df shows the disk usage; bay system prune -a, bay builder prune -a and bay volume prune free space";

/**
 * Refuses a write that would use the reserve: `bytes` more are to be written below `path`, which messages call `shown`.
 * Throws DISK_FULL.
 */
export function requireRoom(path: string, bytes = 0, shown = path): void {
  const room = roomOf(path);
  const { state, free, reserve } = room;
  if (state !== "full" && free - bytes >= reserve) return;
  const wanted = bytes > 0 ? `, but ${formatSize(bytes)} more are needed` : "";
  throw new BayError("DISK_FULL", `the disk of ${shown} is full: ${roomText(room)}${wanted}`, {
    hint: HOW_TO_FREE,
  });
}

/** `1.2 GiB of 20 GiB free, of which 256 MiB are kept for bay itself`. */
export function roomText({ total, free, totalFiles, freeFiles, reserve }: Room): string {
  const files = totalFiles > 0 && freeFiles < totalFiles * WARN.part ? `, ${freeFiles} inodes free` : "";
  return `${formatSize(free)} of ${formatSize(total)} free${files}, of which ${formatSize(reserve)} are reserved for bay`;
}

/** One line for each of bay's file systems that is nearly full. */
export function roomWarnings({ root, run }: Pick<Roots, "root" | "run">): string[] {
  const rooms = [roomOf(root), roomOf(run)];
  const isOne = rooms[0]!.total === rooms[1]!.total && rooms[0]!.free === rooms[1]!.free;
  return (isOne ? rooms.slice(0, 1) : rooms)
    .filter(({ state }) => state !== "ok")
    .map((room) =>
      room.state === "full"
        ? `${room.path} is full: ${roomText(room)}`
        : `${room.path} is nearly full: ${roomText(room)}`,
    );
}
