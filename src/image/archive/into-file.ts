/** Writes an archive to a file of this host: workers copy the blobs, so no data passes through a connection. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { BayError, messageOf } from "../../core/errors.ts";
import { runLayerTask } from "../layers/layer-pool.ts";
import type { ArchiveSink } from "./write.ts";

/** A file that the caller created, with its path and its identity, so that no other file is written to. */
export interface TargetFile {
  path: string;
  dev: number;
  ino: number;
}

/** Bytes that are copied between two checks for a disconnected caller. */
const PART = 64 << 20;

/**
 * Runs `write` with the file as its target, which is emptied first. Throws OTHER_FILE if the path is not that file for this
 * process, ABORTED, and system errors (ENOSPC).
 */
export async function intoFile(
  target: TargetFile,
  signal: AbortSignal,
  write: (sink: ArchiveSink) => Promise<void>,
): Promise<void> {
  const file = await openTarget(target);
  let at = 0;
  const check = () => {
    if (signal.aborted) throw new BayError("ABORTED", "the client disconnected");
  };
  try {
    await file.truncate(0);
    await write({
      put: async (bytes) => {
        check();
        for (let done = 0; done < bytes.length; ) {
          const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
          done += bytesWritten;
        }
        at += bytes.length;
      },
      putFile: async (source, size) => {
        for (let offset = 0; offset < size; offset += PART) {
          check();
          const piece = { file: source, offset, size: Math.min(PART, size - offset) };
          await runLayerTask({ kind: "append", piece, fd: file.fd, at: at + offset });
        }
        at += size;
      },
    });
  } finally {
    await file.close();
  }
}

async function openTarget({ path, dev, ino }: TargetFile): Promise<FileHandle> {
  const file = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (cause: unknown) => {
      throw new BayError("OTHER_FILE", `${path} cannot be opened: ${messageOf(cause)}`, { cause });
    },
  );
  const stat = await file.stat();
  if (stat.isFile() && stat.dev === dev && stat.ino === ino) return file;
  await file.close();
  throw new BayError("OTHER_FILE", `${path} is not the client's file`);
}
