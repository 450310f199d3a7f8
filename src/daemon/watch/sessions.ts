/**
 * Watch sessions: each is an open connection of a `bay watch`. Before a container of a watched service starts its process,
 * bayd asks the session for the container's files and waits until they are there. A session ends with its connection, so a
 * start does not wait for a client that has died; nor does it wait long for one that does not work.
 */

import { randomBytes } from "node:crypto";
import { type ContainerManager, type ContainerRecord, LABELS } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Ask, SessionNews } from "./protocol.ts";

/** Milliseconds without a batch after which a start no longer waits for its session. */
const PATIENCE = 60_000;
const MOST_SESSIONS = LIMITS.watch.sessions;

interface Session {
  stack: string;
  services: ReadonlySet<string>;
  write: (news: SessionNews) => void;
  /** Containers that wait for their files. */
  waiting: Map<string, () => void>;
}

export class WatchSessions {
  readonly #sessions = new Map<string, Session>();
  readonly #patience = new Map<string, () => void>();

  constructor(readonly manager: ContainerManager) {
    manager.beforeStart = (record) => this.#beforeStart(record);
  }

  /** Returns the function that ends the session. Throws BAD_REQUEST if there are too many. */
  open(stack: string, services: readonly string[], write: (news: SessionNews) => void): () => void {
    if (this.#sessions.size >= MOST_SESSIONS)
      throw new BayError("BAD_REQUEST", `${MOST_SESSIONS} watch sessions are already open`);
    const id = randomBytes(16).toString("hex");
    const session: Session = { stack, services: new Set(services), write, waiting: new Map() };
    this.#sessions.set(id, session);
    write({ session: id });
    return () => {
      this.#sessions.delete(id);
      for (const proceed of session.waiting.values()) proceed();
    };
  }

  /** The container has its files. Throws NO_WATCH_SESSION. */
  ready(id: string, container: string): void {
    const session = this.#sessions.get(id);
    if (!session) throw new BayError("NO_WATCH_SESSION", `the watch session ${id} does not exist`);
    session.waiting.get(container)?.();
  }

  /** A batch for the container has arrived. */
  progress(container: string): void {
    this.#patience.get(container)?.();
  }

  #beforeStart({ id, config }: ContainerRecord): ((signal: AbortSignal) => Promise<void>) | undefined {
    const { labels, mounts } = config;
    const name = shownName(config);
    if (labels[LABELS.oneOff] === "True") return undefined;
    const service = labels[LABELS.service] ?? "";
    const sessions = () =>
      [...this.#sessions.values()].filter(
        ({ stack, services }) => stack === labels[LABELS.stack] && services.has(service),
      );
    if (sessions().length === 0) return undefined;
    const emptied = mounts.flatMap(({ type, target }) => (type === "tmpfs" ? [target] : []));
    const ask = { container: id, name, service, emptied };
    return async (signal) => {
      for (const session of sessions()) if (!signal.aborted) await this.#ask(session, ask, signal);
    };
  }

  #ask(session: Session, ask: Ask, signal: AbortSignal): Promise<void> {
    const { container, name } = ask;
    return new Promise((resolve) => {
      const proceed = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", proceed);
        session.waiting.delete(container);
        this.#patience.delete(container);
        resolve();
      };
      const giveUp = () => {
        this.manager.emit(
          "warning",
          `${name}: the watch session did not send its files, and it starts without`,
        );
        proceed();
      };
      let timer = setTimeout(giveUp, PATIENCE);
      this.#patience.set(container, () => {
        clearTimeout(timer);
        timer = setTimeout(giveUp, PATIENCE);
      });
      signal.addEventListener("abort", proceed);
      session.waiting.set(container, proceed);
      session.write({ ask });
    });
  }
}

/** A replacement has a temporary name until it takes the place of the earlier container. */
const shownName = ({ name }: ContainerRecord["config"]): string => name.replace(/^[0-9a-f]{12}_(?=.)/, "");
