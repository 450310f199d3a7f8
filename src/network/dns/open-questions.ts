/**
 * Limits the questions that wait for upstream servers at once: each has a socket of bayd. Containers share the limit by
 * dynamic thresholds (Choudhury and Hahne): one may have as many open questions as there are free places. So some places
 * remain free for the next container, however many containers send questions.
 */
import { LIMITS } from "../../core/limits.ts";

const MOST_OF_ALL = LIMITS.dns.openOfAll;
const MOST_OF_ONE = LIMITS.dns.open;

export class OpenQuestions {
  #open = 0;

  constructor(
    readonly mostOfAll: number = MOST_OF_ALL,
    readonly mostOfOne: number = MOST_OF_ONE,
  ) {}

  /** The questions of one container. */
  client(): ClientQuestions {
    let own = 0;
    return {
      begin: () => {
        if (own >= this.mostOfOne || own >= this.mostOfAll - this.#open) return false;
        own += 1;
        this.#open += 1;
        return true;
      },
      end: () => {
        own -= 1;
        this.#open -= 1;
      },
    };
  }
}

export interface ClientQuestions {
  /** Returns false if the container has to wait; otherwise `end` must be called once. */
  begin: () => boolean;
  end: () => void;
}

/** Shared by all containers of this bayd. */
export const openQuestions = new OpenQuestions();
