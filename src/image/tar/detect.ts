/** Telling an archive by its first bytes. */
import { compressionOf } from "../compression/magic.ts";
import { BLOCK, decodeHeader } from "./header.ts";

/** Whether these bytes begin a tar archive: its first header is whole, and its checksum is right. */
export function isTarHeader(bytes: Buffer): boolean {
  try {
    return bytes.length >= BLOCK && decodeHeader(bytes.subarray(0, BLOCK)) !== undefined;
  } catch {
    return false;
  }
}

/** Whether a user means an archive by these bytes, be it compressed. */
export const isArchive = (bytes: Buffer): boolean => compressionOf(bytes) !== "none" || isTarHeader(bytes);
