/** Detects an archive by its first bytes. */
import { compressionOf } from "../compression/magic.ts";
import { BLOCK, decodeHeader } from "./header.ts";

/** Whether these bytes begin a tar archive: the first header is complete, and its checksum is right. */
export function isTarHeader(bytes: Buffer): boolean {
  try {
    return bytes.length >= BLOCK && decodeHeader(bytes.subarray(0, BLOCK)) !== undefined;
  } catch {
    return false;
  }
}

/** Whether these bytes begin an archive, plain or compressed. */
export const isArchive = (bytes: Buffer): boolean => compressionOf(bytes) !== "none" || isTarHeader(bytes);
