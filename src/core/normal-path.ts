import { posix } from "node:path";

/** A path without `.`, `..`, repeated slashes, and a slash at its end; `/` stays. */
export const normalPath = (path: string): string => posix.normalize(path).replace(/(.)\/$/, "$1");
