/** Contents that are used instead of those on the disk: gitops decrypts files in memory only. */
import { readFileSync } from "node:fs";

/** By absolute path. */
export type GivenContents = ReadonlyMap<string, Buffer>;

/** Throws the error of read(2). */
export const readGivenFile = (path: string, contents: GivenContents | undefined): Buffer =>
  contents?.get(path) ?? readFileSync(path);
