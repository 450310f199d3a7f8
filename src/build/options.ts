/** The second door of builds, for who asks for one: how contexts, caches and outputs are written. It loads little. */
export { readCacheSource, readCacheTarget } from "./cache/cache-option.ts";
export { csvFields } from "./csv.ts";
export { readFileSource, readSource } from "./sources/read-source.ts";
