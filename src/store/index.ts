/** The door of the store: documents by key, files written as a whole, and the room left on the disk below them. */
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
