/** The store's interface: documents by key, files written atomically, and the free space on their disk. */
export {
  diskFullError,
  HOW_TO_FREE,
  requireRoom,
  roomOf,
  roomText,
  roomWarnings,
  watchRooms,
} from "./disk-room.ts";
export { checkStateFormat, JournalStore, readState } from "./journal-store.ts";
export { replaceFile } from "./replace-file.ts";
export type { Change, Store, StoreReader } from "./store.ts";
