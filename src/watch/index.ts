/** Watch mode: changes of the host's files synchronise, restart or rebuild the services of a stack. */

export { eventLine, type Report, type WatchEvent } from "./events.ts";
export { type LoadedFiles, StackFiles } from "./stack-files.ts";
export { Watch } from "./watch.ts";
