/** The connection to bayd by which it knows the watch: it asks for the files of containers before it starts them. */
import { setTimeout as sleep } from "node:timers/promises";
import { BayError, hasCode } from "../core/errors.ts";
import type { Client } from "../daemon/client.ts";
import type { Ask, SessionNews } from "../daemon/watch/protocol.ts";

/** Milliseconds between attempts to connect, and how long bayd may be away; its keeper needs about one second. */
const STEP = 100;
const GIVE_UP_AFTER = 60_000;

export interface StartingContainer {
  id: string;
  name: string;
  service: string;
  /** Paths at which it has a new tmpfs, which is empty. */
  emptied: readonly string[];
}

export interface SessionEvents {
  /** A new session. `isFirst` is false after a restart of bayd, when batches may have been lost. */
  connected: (isFirst: boolean) => Promise<void>;
  /** A container is about to start, and waits until the promise has resolved. */
  asked: (container: StartingContainer) => Promise<void>;
  disconnected: () => void;
}

/** True where the connection to bayd ended, or could not be made, because bayd does not run. */
export const isLoss = (error: unknown): boolean =>
  hasCode(
    error,
    "NO_DAEMON",
    "DAEMON_LOST",
    "ECONNRESET",
    "ECONNREFUSED",
    "ENOENT",
    "ERR_STREAM_PREMATURE_CLOSE",
    "EPIPE",
  );

export class BaydSession {
  #isClosed = false;
  #close: () => void = () => {};
  #isFirst = true;
  readonly #ready: Promise<void>;
  #becomeReady: () => void = () => {};
  #failReady: (error: unknown) => void = () => {};

  constructor(
    readonly client: Client,
    readonly stack: string,
    private services: readonly string[],
    readonly events: SessionEvents,
  ) {
    this.#ready = new Promise((resolve, reject) => {
      this.#becomeReady = resolve;
      this.#failReady = reject;
    });
    this.#ready.catch(() => {}); // who waits for it gets the error
  }

  /** Resolves when the first session is open. Throws what its `connected` throws. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  /** Keeps a session open until `close`. Throws DAEMON_LOST if bayd does not come back, and errors of the request. */
  async run(): Promise<void> {
    let lostAt: number | undefined;
    while (!this.#isClosed) {
      try {
        await this.#connect(() => {
          lostAt = undefined;
        });
      } catch (error) {
        if (this.#isClosed) return;
        if (!isLoss(error)) throw error;
      }
      if (this.#isClosed) return;
      if (lostAt === undefined) this.events.disconnected();
      lostAt ??= Date.now();
      if (Date.now() - lostAt > GIVE_UP_AFTER)
        throw new BayError("DAEMON_LOST", "bayd was stopped; the containers continue to run", {
          hint: "bay up starts it again",
        });
      await sleep(STEP);
    }
  }

  /** Other services: bayd gets a new session. */
  setServices(services: readonly string[]): void {
    if (JSON.stringify(services) === JSON.stringify(this.services)) return;
    this.services = services;
    this.#close();
  }

  close(): void {
    this.#isClosed = true;
    this.#close();
  }

  async #connect(opened: () => void): Promise<void> {
    const { stack, services } = this;
    const lines = this.client.lines<SessionNews>("POST", "/bay/v1/watch", { stack, services }, {}, (body) => {
      this.#close = () => body.destroy();
      if (this.#isClosed) body.destroy();
    });
    let session = "";
    for await (const news of lines) {
      if ("session" in news) {
        session = news.session;
        opened();
        const isFirst = this.#isFirst;
        this.#isFirst = false;
        this.events.connected(isFirst).then(this.#becomeReady, this.#failReady);
      } else void this.#answer(session, news.ask);
    }
  }

  async #answer(session: string, { container, ...ask }: Ask): Promise<void> {
    await this.events.asked({ id: container, ...ask }).catch(() => {}); // the start does not wait for an error
    // a lost bayd waits for nothing
    await this.client.json("POST", `/bay/v1/watch/${session}/ready`, { container }).catch(() => {});
  }
}
