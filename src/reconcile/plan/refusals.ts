/** Why a stack cannot be applied on this host: all reasons are collected, and thrown as one error. Pure. */
import { BayError } from "../../core/errors.ts";

export class Refusals {
  readonly #all: BayError[] = [];

  /** Runs a part of the planner. If it throws a `BayError`, the error is kept and `otherwise` returned. */
  readonly attempt = <Result>(part: () => Result, otherwise: Result): Result => {
    try {
      return part();
    } catch (error) {
      if (!(error instanceof BayError)) throw error;
      this.#all.push(error);
      return otherwise;
    }
  };

  /** Throws the only refusal as it is, or SEVERAL_PROBLEMS with all refusals and the other problems; returns without one. */
  throwAll(problems: readonly string[]): void {
    const [first] = this.#all;
    if (!first) return;
    const messages = [...new Set([...this.#all.map(messageWithHint), ...problems])];
    if (messages.length === 1) throw first;
    throw new BayError("SEVERAL_PROBLEMS", messages.join("\n"), { cause: first });
  }
}

const messageWithHint = ({ message, hint }: BayError) => (hint ? `${message}\n  ${hint}` : message);
