/** Watch mode: changes of the host's files synchronise, restart or rebuild the services of a stack. */

export { eventLine, type WatchEvent } from "./events.ts";
export { ignoreFilesOf } from "./rule.ts";
export { type LoadedFiles, StackFiles } from "./stack-files.ts";
export { Watch } from "./watch.ts";
