export { JournalStore, readState } from "./journal-store.ts";
export type { Change, Store, StoreReader } from "./store.ts";
