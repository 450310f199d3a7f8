/** The state of one bay: JSON documents by key. A backend implements this interface. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined };

export type Change = { key: string; value: unknown } | { key: string; deleted: true };

/** What observers get: they cannot write. */
export interface StoreReader {
  get<T>(key: string): T | undefined;
  /** The documents whose key begins with the prefix, ordered by key. */
  list<T>(prefix: string): T[];
}

export interface Store extends StoreReader {
  /** Applies all changes or none; they are safe from a crash of the process when this returns. */
  write(changes: readonly Change[]): void;
  put(key: string, value: unknown): void;
  delete(key: string): void;
  /** Resolves when everything written so far is safe from a loss of power too. */
  flush(): Promise<void>;
  close(): void;
}
