/** A stream that becomes a file, or standard output. */
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BayError } from "../../errors.ts";

/** Throws BAD_OPTION where it would go to a terminal; call it before anything is asked for. */
export function refuseTerminal(output: string | undefined, what: string): void {
  if (!output && process.stdout.isTTY)
    throw new BayError("BAD_OPTION", `${what} is nothing for a terminal`, { hint: "-o FILE, or a pipe" });
}

/** The file's name stands for the whole stream, or for what was there before. */
export async function saveStream(source: Readable, output: string | undefined, mode = 0o666): Promise<void> {
  if (!output) return pipeline(source, process.stdout);
  const growing = `${output}.part`;
  try {
    await pipeline(source, createWriteStream(growing, { mode }));
    await rename(growing, output);
  } finally {
    await rm(growing, { force: true });
  }
}
