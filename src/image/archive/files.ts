/**
 * The files of an image archive, a tar or a directory, as pieces that workers read. Names in it are only looked up, and never
 * used as paths on the host.
 */

import { closeSync, fstatSync, openSync, readSync, rmSync, statSync } from "node:fs";
import { posix } from "node:path";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { O_NONBLOCK, O_RDONLY, openInRoot } from "../../linux/index.ts";
import { compressionAt } from "../compression/index.ts";
import { type Piece, runLayerTask } from "../layers/layer-pool.ts";
import { type ScannedEntry, scanTar } from "../tar/scan.ts";

export interface ArchiveFiles {
  /** The location of a file; undefined if it does not exist or is not a regular file. */
  locate(name: string): Piece | undefined;
  /** Reads a small file. Throws BAD_ARCHIVE beyond 8 MiB, and beyond 64 MiB for all files read from the archive. */
  read(name: string): Buffer | undefined;
  close(): void;
}

const MAX_SMALL = LIMITS.image.archiveDocument;
/** An index may name one file many times, and the data of each image stays in memory. */
const MAX_SMALL_TOGETHER = LIMITS.image.archiveDocuments;
const MAX_LINKS = 5;

/** Reads small files of one archive, up to a limit for all of them together. */
function smallFiles(locate: ArchiveFiles["locate"]): ArchiveFiles["read"] {
  let total = 0;
  return (name) => {
    const piece = locate(name);
    if (!piece) return undefined;
    total += piece.size;
    if (total > MAX_SMALL_TOGETHER)
      throw new BayError(
        "BAD_ARCHIVE",
        `the manifests and configs of the archive have more than ${MAX_SMALL_TOGETHER} bytes together`,
      );
    return readPiece(name, piece);
  };
}

function readPiece(name: string, { file, offset, size }: Piece): Buffer {
  if (size > MAX_SMALL) throw new BayError("BAD_ARCHIVE", `${name} in the archive has ${size} bytes`);
  const bytes = Buffer.alloc(size);
  const fd = openSync(file, "r");
  try {
    let at = 0;
    for (let count = 1; count > 0 && at < size; at += count)
      count = readSync(fd, bytes, at, size - at, offset + at);
    return bytes.subarray(0, at);
  } finally {
    closeSync(fd);
  }
}

/** Opens a directory or a tar, plain or compressed. `temporary` is a path for a decompressed copy. Throws BAD_ARCHIVE. */
export async function openArchive(path: string, temporary: string): Promise<ArchiveFiles> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new BayError("BAD_ARCHIVE", `the archive ${path} does not exist`);
  if (stat.isDirectory()) return directoryFiles(path);
  if (!stat.isFile()) throw new BayError("BAD_ARCHIVE", `${path} is neither a file nor a directory`);
  return tarFiles(...(await plainCopy(path, stat.size, temporary)));
}

/**
 * Returns the file itself if it is not compressed, or else a decompressed copy, which is removed when the archive is closed.
 */
async function plainCopy(
  path: string,
  size: number,
  temporary: string,
): Promise<[path: string, close: () => void]> {
  if (compressionAt(path, 0) === "none") return [path, () => {}];
  const close = () => rmSync(temporary, { force: true });
  try {
    await runLayerTask({ kind: "decompress", piece: { file: path, offset: 0, size }, target: temporary });
  } catch (error) {
    close();
    throw error;
  }
  return [temporary, close];
}

function tarFiles(path: string, close: () => void): ArchiveFiles {
  let entries: Map<string, ScannedEntry>;
  try {
    entries = new Map(scanTar(path).map((entry) => [entry.name, entry]));
  } catch (error) {
    close();
    throw error;
  }
  const locate = (name: string): Piece | undefined => {
    let at = posix.normalize(name);
    for (let links = 0; links <= MAX_LINKS; links++) {
      const entry = entries.get(at);
      if (!entry) return undefined;
      if (entry.type === "file") return { file: path, offset: entry.offset, size: entry.size };
      // old versions of docker save write a layer once and link to it
      if (entry.type === "symlink") at = posix.join(posix.dirname(at), entry.linkName);
      else if (entry.type === "hardlink") at = posix.normalize(entry.linkName);
      else return undefined;
    }
    return undefined;
  };
  return {
    locate,
    read: smallFiles(locate),
    close,
  };
}

function directoryFiles(root: string): ArchiveFiles {
  const opened = new Map<string, Piece & { fd: number }>();
  const locate = (name: string): Piece | undefined => {
    const known = opened.get(name);
    if (known) return known;
    let fd: number;
    try {
      // a FIFO or device in the archive must not be opened for real
      fd = openInRoot(root, name, O_RDONLY | O_NONBLOCK);
    } catch {
      return undefined;
    }
    const stat = fstatSync(fd);
    if (!stat.isFile()) {
      closeSync(fd);
      return undefined;
    }
    const piece = { file: `/proc/self/fd/${fd}`, offset: 0, size: stat.size, fd };
    opened.set(name, piece);
    return piece;
  };
  return {
    locate,
    read: smallFiles(locate),
    close: () => {
      for (const { fd } of opened.values()) closeSync(fd);
      opened.clear();
    },
  };
}
