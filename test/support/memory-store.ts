/** The store without a disk, for unit tests; it passes the contract of stores. */
import type { Change, Store } from "../../src/store/index.ts";

export class MemoryStore implements Store {
  readonly #documents: Map<string, string>;

  /** Stores with the same documents are the same store, opened again. */
  constructor(documents = new Map<string, string>()) {
    this.#documents = documents;
  }

  get<T>(key: string): T | undefined {
    const text = this.#documents.get(key);
    return text === undefined ? undefined : (JSON.parse(text) as T);
  }

  list<T>(prefix: string): T[] {
    return [...this.#documents.keys()]
      .filter((key) => key.startsWith(prefix))
      .sort()
      .map((key) => this.get<T>(key)!);
  }

  write(changes: readonly Change[]): void {
    // every value becomes text before the first one counts: all changes apply, or none
    const rows = changes.map((change) => ({
      key: change.key,
      text: "deleted" in change ? undefined : JSON.stringify(change.value),
    }));
    for (const { key, text } of rows) {
      if (text === undefined) this.#documents.delete(key);
      else this.#documents.set(key, text);
    }
  }

  put(key: string, value: unknown): void {
    this.write([{ key, value }]);
  }

  delete(key: string): void {
    this.write([{ key, deleted: true }]);
  }

  async flush(): Promise<void> {}

  close(): void {}
}
