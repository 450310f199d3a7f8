export { checkStateFormat, JournalStore, readState } from "./journal-store.ts";
export { replaceFile } from "./replace-file.ts";
export type { Change, Store, StoreReader } from "./store.ts";
