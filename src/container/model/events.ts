/** Events of containers, networks, volumes and images, as in Docker's event stream. */
import { EventEmitter } from "node:events";
import type { ContainerRecord } from "./record.ts";

export interface BayEvent {
  type: "container" | "network" | "volume" | "image" | "builder" | "daemon";
  action: string;
  id: string;
  attributes: Record<string, string>;
  /** Milliseconds since the epoch. */
  time: number;
}

const KEPT = 1000;

export class EventLog extends EventEmitter {
  readonly #recent: BayEvent[] = [];

  constructor() {
    super();
    this.setMaxListeners(0);
  }

  publish(type: BayEvent["type"], action: string, id: string, attributes: Record<string, string> = {}): void {
    const event = { type, action, id, attributes, time: Date.now() };
    this.#recent.push(event);
    if (this.#recent.length > KEPT) this.#recent.shift();
    this.emit("event", event);
  }

  /** An event of a container, with its labels, name and image as attributes. */
  ofContainer({ id, config }: ContainerRecord, action: string, extra: Record<string, string> = {}): void {
    const { labels, name, image } = config;
    this.publish("container", action, id, { ...labels, name, image, ...extra });
  }

  since(time: number): BayEvent[] {
    return this.#recent.filter((event) => event.time >= time);
  }
}
