/**
 * How many questions may wait for the servers above at once: each has a socket of bayd. Containers share the room by dynamic
 * thresholds (Choudhury and Hahne): one may have as many questions open as there is room left, so that however many containers
 * ask without end, some room stays for the next one.
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
  /** False where the container has to wait; else `end` is called once. */
  begin: () => boolean;
  end: () => void;
}

/** Of all containers of this bayd. */
export const openQuestions = new OpenQuestions();
