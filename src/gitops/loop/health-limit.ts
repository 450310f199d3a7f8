/**
 * The time in which a commit must become healthy. It begins with the first change of the host, so that the pulls and builds
 * before do not count.
 */
export class HealthLimit {
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #endsAt: number | undefined;

  /** Milliseconds. */
  constructor(readonly time: number) {}

  /** Aborted when the time is over. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get hasBegun(): boolean {
    return this.#endsAt !== undefined;
  }

  /** Only the first call counts. */
  begin(): void {
    if (this.#endsAt !== undefined) return;
    this.#endsAt = Date.now() + this.time;
    this.#timer = setTimeout(() => this.#abort.abort(), this.time);
  }

  /** Milliseconds until the end. */
  get remaining(): number {
    return this.#endsAt === undefined ? this.time : Math.max(0, this.#endsAt - Date.now());
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
