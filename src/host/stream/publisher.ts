/** This host's containers as its peers learn of them: compared with what was sent before, and sent as numbered changes. */
import { PART_SIZE, type SharedContainer, type StreamMessage } from "./messages.ts";

export type Follower = (message: StreamMessage) => void;

type Sent = Map<string, { text: string; container: SharedContainer }>;

export class ContainerPublisher {
  #number = 0;
  /** What the followers know, by container. */
  #sent: Sent = new Map();
  readonly #followers = new Set<Follower>();
  #isPending = false;

  constructor(readonly list: () => readonly SharedContainer[]) {}

  /** Sends the differences, soon: changes of one moment share a message. A later follower gets the whole state anyway. */
  refresh(): void {
    if (this.#isPending || this.#followers.size === 0) return;
    this.#isPending = true;
    setImmediate(() => {
      this.#isPending = false;
      this.#publish();
    });
  }

  #publish(): void {
    const now: Sent = new Map();
    const set: SharedContainer[] = [];
    for (const container of this.list()) {
      const text = JSON.stringify(container);
      now.set(container.id, { text, container });
      if (this.#sent.get(container.id)?.text !== text) set.push(container);
    }
    const removed = [...this.#sent.keys()].filter((id) => !now.has(id));
    this.#sent = now;
    for (let at = 0; at < Math.max(set.length, removed.length); at += PART_SIZE) {
      this.#number += 1;
      this.#tell({
        kind: "change",
        number: this.#number,
        set: set.slice(at, at + PART_SIZE),
        removed: removed.slice(at, at + PART_SIZE),
      });
    }
  }

  #tell(message: StreamMessage): void {
    for (const follower of this.#followers) follower(message);
  }

  /** Sends the whole state, and each change from then on, until the returned function is called. */
  follow(follower: Follower): () => void {
    this.#publish();
    const all = [...this.#sent.values()].map(({ container }) => container);
    for (let at = 0; at === 0 || at < all.length; at += PART_SIZE)
      follower({
        kind: "state",
        number: this.#number,
        containers: all.slice(at, at + PART_SIZE),
        isLast: at + PART_SIZE >= all.length,
      });
    this.#followers.add(follower);
    return () => void this.#followers.delete(follower);
  }

  heartbeat(): StreamMessage {
    return { kind: "heartbeat", number: this.#number };
  }
}
