/**
 * How much room is left where bay keeps its files. The last part of it is a reserve for bay's own state and for starts
 * of containers: nothing that only fills the disk (pulls, loads, imports, builds, commits) may take it.
 */
import { statfsSync } from "node:fs";
import { BayError, hasCode } from "../core/errors.ts";
import type { Roots } from "../core/roots.ts";
import { formatSize } from "../core/sizes.ts";

const MIB = 1 << 20;
/** Of the file system; the smaller of the part and the size counts. */
const WARN = { part: 0.1, bytes: 2048 * MIB, files: 100_000 };
const RESERVE = { part: 0.02, bytes: 256 * MIB, files: 10_000 };

/** A file system at one path. Sizes are in bytes; numbers of files are 0 where it has no bound for them. */
export interface Room {
  path: string;
  total: number;
  free: number;
  totalFiles: number;
  freeFiles: number;
  /** Below this much free room bay warns. */
  warnBelow: number;
  /** So much is bay's own. */
  reserve: number;
  state: "ok" | "low" | "full";
}

/** Looks at the file system of a path. Throws what the system says (ENOENT). */
export function roomOf(path: string): Room {
  const { bsize, blocks, bavail, files, ffree } = statfsSync(path);
  return judge({ path, total: blocks * bsize, free: bavail * bsize, totalFiles: files, freeFiles: ffree });
}

/** What the figures of a file system mean. Pure. */
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

/** Says where bay keeps its files, for errors that come without a path (write(2)). */
export function watchRooms(roots: Pick<Roots, "root" | "run">): void {
  watched = roots;
}

/**
 * What a full disk did, as an error that says where and what would free it; undefined for every other error. Workers
 * pass errno names on as codes.
 */
export function diskFullError(thrown: unknown): BayError | undefined {
  if (!hasCode(thrown, "ENOSPC", "EDQUOT")) return undefined;
  const { path } = thrown as { path?: string };
  const rooms = watched ? [roomOf(watched.root), roomOf(watched.run)] : [];
  // without a path: what is large is below the root, and may be removed again by now
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

/** What would free room on the disk; one text for every message. */
export const HOW_TO_FREE =
  "bay system df shows the disk usage; bay system prune -a, bay builder prune -a and bay volume prune free space";

/**
 * Refuses what would take the reserve: `bytes` more are to be written below `path`, which messages call `shown`.
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
