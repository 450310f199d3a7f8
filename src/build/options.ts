/** The second interface of builds, for clients: the syntax of contexts, caches and outputs. It loads little code. */

export { csvFields } from "../core/csv.ts";
export { readCacheSource, readCacheTarget } from "./cache/cache-option.ts";
export { readFileSource, readSource } from "./sources/read-source.ts";
