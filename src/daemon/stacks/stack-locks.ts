/** Allows one change of a stack at a time: later commands wait, and get a message that names the current one. */
import { BayError } from "../../core/errors.ts";

/** A command that changes a stack. */
export interface Asker {
  /** `up`, `down`, `rollback`. */
  what: string;
  /** The client's process; undefined if the client does not send it. */
  pid?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Called with what the command waits for. */
  tell?: ((text: string) => void) | undefined;
}

export class StackLocks {
  readonly #last = new Map<string, Promise<unknown>>();
  readonly #current = new Map<string, Asker>();

  /** True while a command changes the stack, or waits to do so. */
  isTaken(stack: string): boolean {
    return this.#last.has(stack);
  }

  /** Runs an action after those before it. Throws ABORTED if the client has disconnected meanwhile. */
  async take<T>(stack: string, asker: Asker, action: () => Promise<T>): Promise<T> {
    const before = this.#last.get(stack);
    const current = this.#current.get(stack);
    if (before)
      asker.tell?.(`waiting for ${current ? describe(current) : "another command"} on the stack ${stack}`);
    const run = async () => {
      await before?.catch(() => {});
      if (asker.signal?.aborted) throw new BayError("ABORTED", "the client disconnected while it waited");
      this.#current.set(stack, asker);
      try {
        return await action();
      } finally {
        this.#current.delete(stack);
      }
    };
    const turn = run();
    this.#last.set(stack, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(stack) === turn) this.#last.delete(stack);
    }
  }
}

const describe = ({ what, pid }: Asker) => `bay ${what}${pid === undefined ? "" : ` (pid ${pid})`}`;
