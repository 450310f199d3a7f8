/** Writing a stream to a file or to standard output. */
import { once } from "node:events";
import { createWriteStream, statSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BayError, hasCode } from "../../core/errors.ts";

/** Throws BAD_OPTION if the output is a terminal; call it before the request. */
export function refuseTerminal(output: string | undefined, what: string): void {
  if (!output && process.stdout.isTTY)
    throw new BayError("BAD_OPTION", `refusing to write ${what} to a terminal`, {
      hint: "use -o FILE, or a pipe",
    });
}

/** True for a device, a pipe or a socket: it is written to, never replaced. */
export function isSpecial(output: string): boolean {
  const stat = statSync(output, { throwIfNoEntry: false });
  return stat !== undefined && !stat.isFile() && !stat.isDirectory();
}

/** The output file has either the whole stream or its earlier content. Throws DAEMON_LOST if the stream is cut. */
export async function saveStream(source: Readable, output: string | undefined, mode = 0o666): Promise<void> {
  try {
    if (!output) await toStandardOutput(source);
    else if (isSpecial(output)) await pipeline(source, createWriteStream(output));
    else await whole(output, ({ path }) => pipeline(source, createWriteStream(path)), mode);
  } catch (cause) {
    if (!hasCode(cause, "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE")) throw cause;
    throw new BayError("DAEMON_LOST", "bayd closed the connection before all data was received", {
      cause,
      hint: "see the log of bayd for the reason: bayd.log in its root, or journalctl -u bay",
    });
  }
}

/** A pipeline would pass an error of the source to standard output, whose errors end the command without a message. */
async function toStandardOutput(source: Readable): Promise<void> {
  const { stdout } = process;
  for await (const bytes of source) if (!stdout.write(bytes as Buffer)) await once(stdout, "drain");
}

/** Writes a temporary file beside the output, which is renamed to it after `fill` has succeeded. Throws DISK_FULL. */
export async function whole(
  output: string,
  fill: (growing: { path: string; dev: number; ino: number }) => Promise<void>,
  mode = 0o666,
): Promise<void> {
  const path = resolve(`${output}.part`);
  try {
    await rm(path, { force: true });
    const file = await open(path, "wx", mode);
    const { dev, ino } = await file.stat();
    await file.close();
    await fill({ path, dev, ino });
    await rename(path, output);
  } catch (cause) {
    if (!hasCode(cause, "ENOSPC", "EDQUOT")) throw cause;
    throw new BayError("DISK_FULL", `${output} could not be written: the disk of ${dirname(path)} is full`, {
      cause,
      hint: "free space on it, or name a file on another disk",
    });
  } finally {
    await rm(path, { force: true });
  }
}
