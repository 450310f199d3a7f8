/** Who reads the log of a container now: a container that is removed after its end keeps its log until they have read it. */
export class LogReaders {
  readonly #counts = new Map<string, number>();
  readonly #waiting = new Map<string, (() => void)[]>();

  /** Counts a reader, until the returned function is called once. */
  begin(id: string): () => void {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    return () => {
      const left = this.#counts.get(id)! - 1;
      if (left > 0) return void this.#counts.set(id, left);
      this.#counts.delete(id);
      for (const resolve of this.#waiting.get(id) ?? []) resolve();
      this.#waiting.delete(id);
    };
  }

  /** Resolves when nothing reads the log. A reader whose client has disconnected has ended. */
  async ended(id: string): Promise<void> {
    if (!this.#counts.has(id)) return;
    await new Promise<void>((resolve) => {
      this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), resolve]);
    });
  }
}
