/** Events of containers, networks, volumes and images, as in Docker's event stream. */
import { EventEmitter } from "node:events";
import { LIMITS } from "../../core/limits.ts";
import type { ContainerRecord } from "./record.ts";

export interface BayEvent {
  type: "container" | "network" | "volume" | "image" | "builder" | "daemon";
  action: string;
  id: string;
  attributes: Record<string, string>;
  /** Milliseconds since the epoch. */
  time: number;
}

/** Actions that clients can cause in large numbers without a change of a container. */
const FREQUENT = /^(exec_|top$|resize$|attach$|detach$|archive-path$|extract-to-dir$)/;

interface Kept {
  /** Entries, the oldest first. */
  entries: { event: BayEvent; size: number }[];
  size: number;
}

/**
 * The events of this daemon, with the last ones for `since`. Frequent events (`exec_create`, `top`, `resize` and others) have
 * their own bound, so that they cannot displace the events of the life of containers. Both bounds count events and characters.
 */
export class EventLog extends EventEmitter {
  /** In the order of publication. */
  readonly #recent = new Set<BayEvent>();
  readonly #kinds: Record<"frequent" | "other", Kept> = {
    frequent: { entries: [], size: 0 },
    other: { entries: [], size: 0 },
  };

  constructor() {
    super();
    this.setMaxListeners(0);
  }

  /** Text after the first KiB of the action is left out. */
  publish(type: BayEvent["type"], action: string, id: string, attributes: Record<string, string> = {}): void {
    const event = { type, action: shortened(action), id, attributes, time: Date.now() };
    this.#keep(event);
    this.emit("event", event);
  }

  /** An event of a container, with its labels, name and image as attributes. */
  ofContainer({ id, config }: ContainerRecord, action: string, extra: Record<string, string> = {}): void {
    const { labels, name, image } = config;
    this.publish("container", action, id, { ...labels, name, image, ...extra });
  }

  since(time: number): BayEvent[] {
    return [...this.#recent].filter((event) => event.time >= time);
  }

  #keep(event: BayEvent): void {
    const kept = this.#kinds[FREQUENT.test(event.action) ? "frequent" : "other"];
    const size = sizeOf(event);
    kept.entries.push({ event, size });
    kept.size += size;
    this.#recent.add(event);
    while (kept.entries.length > LIMITS.request.keptEvents || kept.size > LIMITS.request.keptEventSize) {
      const oldest = kept.entries.shift()!;
      kept.size -= oldest.size;
      this.#recent.delete(oldest.event);
    }
  }
}

/** Characters of an event's texts. */
const sizeOf = ({ action, id, attributes }: BayEvent): number =>
  Object.entries(attributes).reduce(
    (sum, [name, value]) => sum + name.length + value.length,
    action.length + id.length,
  );

const ELLIPSIS = "…";

/**
 * An action of at most `LIMITS.request.eventAction` bytes, which ends with an ellipsis if it was longer. The result is a new
 * string: a slice of the given one would keep all of it in memory.
 */
function shortened(action: string): string {
  const most = LIMITS.request.eventAction;
  if (Buffer.byteLength(action) <= most) return action;
  const bytes = Buffer.from(action.slice(0, most));
  let end = most - Buffer.byteLength(ELLIPSIS);
  // bytes 10xxxxxx continue a character of UTF-8
  while ((bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end) + ELLIPSIS;
}
