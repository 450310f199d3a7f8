/**
 * How much of a container's log was sent to its receiver, in the file `sent` beside the segments: the next bayd continues
 * there. JSON, replaced atomically; without fsync, as it has to survive the end of bayd and not of the host.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { LogPosition } from "./reader.ts";

const number = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const streamSchema = z.strictObject({ segment: number, offset: number });
const sentSchema = z.strictObject({
  receiver: z.string().max(4096),
  position: z.tuple([streamSchema, streamSchema]),
});

const fileOf = (directory: string) => join(directory, "sent");

/** Undefined if nothing was sent to this receiver before, or the file is damaged. */
export function readSentPosition(directory: string, receiver: string): LogPosition | undefined {
  try {
    const sent = sentSchema.parse(JSON.parse(readFileSync(fileOf(directory), "utf8")));
    return sent.receiver === receiver ? sent.position : undefined;
  } catch {
    return undefined;
  }
}

/** Throws system errors, such as ENOENT if the log was removed. */
export function writeSentPosition(directory: string, receiver: string, position: LogPosition): void {
  const temporary = `${fileOf(directory)}.new`;
  writeFileSync(temporary, JSON.stringify({ receiver, position }), { mode: 0o600 });
  renameSync(temporary, fileOf(directory));
}
