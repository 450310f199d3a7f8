/** What this host knows of a peer's containers. Level-triggered: a whole state replaces everything, a gap asks for one. */
import { MAX_CONTAINERS, type SharedContainer, type StreamMessage } from "./messages.ts";

export class ContainerReceiver {
  #containers = new Map<string, SharedContainer>();
  /** The parts of a state that is not complete yet. */
  #parts: Map<string, SharedContainer> | undefined;
  /** The number of the last message; undefined until a state is complete. */
  #number: number | undefined;

  /** The containers of the last complete state, and the changes since. */
  get containers(): readonly SharedContainer[] {
    return [...this.#containers.values()];
  }

  /** Starts with what an earlier process knew, until the peer sends its state. */
  restore(containers: readonly SharedContainer[]): void {
    this.#containers = new Map(containers.map((container) => [container.id, container]));
  }

  /** A connection begins: the peer sends its whole state. */
  begin(): void {
    this.#parts = undefined;
    this.#number = undefined;
  }

  /** Returns what the message did; after a gap the connection must begin again. */
  take(message: StreamMessage): "changed" | "same" | "gap" {
    if (message.kind === "state") return this.#takeState(message);
    if (message.kind === "change") return this.#takeChange(message);
    if (message.kind === "heartbeat") return message.number === this.#number ? "same" : "gap";
    return "same";
  }

  #takeState({ number, containers, isLast }: StreamMessage & { kind: "state" }): "changed" | "same" | "gap" {
    this.#parts ??= new Map();
    for (const container of containers) this.#parts.set(container.id, container);
    if (this.#parts.size > MAX_CONTAINERS) return "gap";
    if (!isLast) return "same";
    this.#containers = this.#parts;
    this.#parts = undefined;
    this.#number = number;
    return "changed";
  }

  #takeChange({ number, set, removed }: StreamMessage & { kind: "change" }): "changed" | "gap" {
    if (this.#number === undefined || number !== this.#number + 1) return "gap";
    this.#number = number;
    for (const id of removed) this.#containers.delete(id);
    for (const container of set) this.#containers.set(container.id, container);
    return this.#containers.size > MAX_CONTAINERS ? "gap" : "changed";
  }
}
