/**
 * The followers of the event stream with the same filters. Each event is encoded once, and the events of a moment form one
 * buffer for all followers of a channel: 200 followers cost 200 writes, however many events there are.
 */

import type { ServerResponse } from "node:http";
import type { BayEvent, EventLog } from "../../../container/index.ts";
import { LIMITS } from "../../../core/limits.ts";

/** Milliseconds between two writes to followers during continuous events. */
const INTERVAL = 50;
/** The most bytes that wait for the next write. */
const MAX_WAITING = LIMITS.request.waitingEvents;
/**
 * The most bytes that one follower may leave unread; beyond them its connection is closed, so that it notices the missing
 * events.
 */
const MAX_UNSENT = LIMITS.request.unsentEvents;

export class EventChannel {
  readonly #followers = new Set<ServerResponse>();
  #waiting: Buffer[] = [];
  #size = 0;
  #timer: NodeJS.Timeout | undefined;
  #lastFlush = 0;

  constructor(
    readonly events: EventLog,
    readonly matches: (event: BayEvent) => boolean,
  ) {}

  get isEmpty(): boolean {
    return this.#followers.size === 0;
  }

  add(follower: ServerResponse): void {
    // a new follower has the earlier events already, or did not ask for them
    this.flush();
    if (this.isEmpty) this.events.on("event", this.#take);
    this.#followers.add(follower);
  }

  remove(follower: ServerResponse): void {
    this.#followers.delete(follower);
    if (!this.isEmpty) return;
    this.events.off("event", this.#take);
    this.flush();
  }

  readonly #take = (event: BayEvent): void => {
    if (!this.matches(event)) return;
    const line = lineOf(event);
    this.#waiting.push(line);
    this.#size += line.length;
    if (this.#size > MAX_WAITING) return this.flush();
    // the first event after a pause is sent immediately, with the other events of the same turn
    this.#timer ??= setTimeout(
      () => this.flush(),
      Math.max(0, this.#lastFlush + INTERVAL - performance.now()),
    );
  };

  /** Writes the queued events to all followers. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.length === 0) return;
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#size = 0;
    this.#lastFlush = performance.now();
    for (const follower of this.#followers) sendTo(follower, bytes);
  }
}

/** Writes to one follower, and disconnects it if it leaves too much unread. */
export function sendTo(follower: ServerResponse, bytes: Buffer): void {
  if (follower.destroyed || follower.writableEnded) return;
  follower.write(bytes);
  if (follower.writableLength > MAX_UNSENT) follower.destroy();
}

let latest: { event: BayEvent; line: Buffer } | undefined;

/** An event as a line of Docker's stream. Only the latest line is cached: an event's labels may be large. */
export function lineOf(event: BayEvent): Buffer {
  if (latest?.event !== event)
    latest = { event, line: Buffer.from(`${JSON.stringify(toDockerEvent(event))}\n`) };
  return latest.line;
}

function toDockerEvent({ type, action, id, attributes, time: at }: BayEvent) {
  return {
    ...(type === "container" ? { status: action, id, from: attributes.image } : {}),
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    scope: "local",
    time: Math.floor(at / 1000),
    timeNano: at * 1e6,
  };
}
