/** The state of one bay: JSON documents by key. A backend implements this interface. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined };

export type Change = { key: string; value: unknown } | { key: string; deleted: true };

/** The read-only part of the store, for observers. */
export interface StoreReader {
  get<T>(key: string): T | undefined;
  /** The documents whose key begins with the prefix, ordered by key. */
  list<T>(prefix: string): T[];
}

export interface Store extends StoreReader {
  /** Applies all changes or none. When it returns, they survive a crash of the process. */
  write(changes: readonly Change[]): void;
  put(key: string, value: unknown): void;
  delete(key: string): void;
  /** Resolves when everything written so far survives a loss of power too. */
  flush(): Promise<void>;
  close(): void;
}
