/** The second interface of builds, for clients: the syntax of contexts, caches and outputs. It loads little code. */
export { readCacheSource, readCacheTarget } from "./cache/cache-option.ts";
export { csvFields } from "./csv.ts";
export { readFileSource, readSource } from "./sources/read-source.ts";
