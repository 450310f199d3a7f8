/**
 * Limits the questions that wait for upstream servers at once: each has a socket of bayd. Containers share the limit by
 * dynamic thresholds (Choudhury and Hahne): one may have as many open questions as there are free places. So some places
 * remain free for the next container, however many containers send questions.
 */
const MOST_OF_ALL = 8192;
const MOST_OF_ONE = 1024;

export class OpenQuestions {
  #open = 0;

  constructor(
    readonly mostOfAll = MOST_OF_ALL,
    readonly mostOfOne = MOST_OF_ONE,
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
