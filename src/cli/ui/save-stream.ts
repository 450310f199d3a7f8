/** Writing a stream to a file or to standard output. */
import { createWriteStream, statSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BayError } from "../../core/errors.ts";

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

/** The output file has either the whole stream or its earlier content. */
export async function saveStream(source: Readable, output: string | undefined, mode = 0o666): Promise<void> {
  if (!output) return pipeline(source, process.stdout);
  if (isSpecial(output)) return pipeline(source, createWriteStream(output));
  await whole(output, ({ path }) => pipeline(source, createWriteStream(path)), mode);
}

/** Writes a temporary file beside the output, which is renamed to it after `fill` has succeeded. */
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
  } finally {
    await rm(path, { force: true });
  }
}
