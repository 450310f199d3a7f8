/** Sends notifications one after another to each target, and tries again with growing pauses. The queue is bounded, and in memory. */

import { request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { setTimeout as pause } from "node:timers/promises";
import { rootCertificates } from "node:tls";
import { messageOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Message } from "./messages.ts";

const MAX_QUEUED = LIMITS.gitops.notifications;
const MAX_TRIES = LIMITS.gitops.notificationTries;
const REQUEST_TIME = 10_000;

export interface Job {
  message: Message;
  /** For the log: which target it is, without its secrets. */
  title: string;
  /** Certificates of a private CA, in PEM. */
  ca: string | undefined;
}

/** Thrown for an answer that another attempt would not change. */
class Refused extends Error {}

export class Sender {
  readonly #stop = new AbortController();
  readonly #turns = new Map<string, Promise<void>>();
  #queued = 0;

  /** `pauseOf` gives the milliseconds before a further attempt, of which the first has the number 1. */
  constructor(
    readonly log: (text: string) => void,
    readonly pauseOf: (attempt: number) => number = (attempt) => 500 * 2 ** attempt,
  ) {}

  /** Never throws. */
  send(job: Job): void {
    if (this.#queued >= MAX_QUEUED)
      return this.log(`${job.title}: dropped, because ${MAX_QUEUED} are waiting`);
    this.#queued += 1;
    const { url } = job.message;
    const key = new URL(url).origin;
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(() => this.#deliver(job));
    this.#turns.set(key, turn);
    void turn.finally(() => {
      this.#queued -= 1;
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    });
  }

  /** Resolves when everything in the queue was sent or given up. */
  async idle(): Promise<void> {
    while (this.#turns.size > 0) await Promise.all([...this.#turns.values()]);
  }

  close(): void {
    this.#stop.abort();
  }

  async #deliver({ message, title, ca }: Job): Promise<void> {
    for (let attempt = 1; !this.#stop.signal.aborted; attempt++) {
      try {
        return await post(message, ca, this.#stop.signal);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        const isLast = error instanceof Refused || attempt >= MAX_TRIES;
        if (isLast) return this.log(`${title}: not sent after ${attempt} attempts: ${messageOf(error)}`);
        await pause(this.pauseOf(attempt), undefined, { signal: this.#stop.signal }).catch(() => {});
      }
    }
  }
}

/** Redirects are not followed, and the answer is not read: they belong to somebody else. */
function post({ url, headers, body }: Message, ca: string | undefined, stop: AbortSignal): Promise<void> {
  const isPlain = url.startsWith("http:");
  const signal = AbortSignal.any([stop, AbortSignal.timeout(REQUEST_TIME)]);
  return new Promise((resolve, reject) => {
    const options = {
      method: "POST",
      headers: { ...headers, "Content-Length": String(Buffer.byteLength(body)) },
      agent: false as const,
      signal,
    };
    const own = isPlain || ca === undefined ? {} : { ca: [...rootCertificates, ca] };
    const request = (isPlain ? plainRequest : tlsRequest)(url, { ...options, ...own }, (response) => {
      const { statusCode = 0 } = response;
      response.destroy();
      if (statusCode >= 200 && statusCode < 300) return resolve();
      const isTemporary = statusCode >= 500 || statusCode === 408 || statusCode === 429;
      const Kind = isTemporary ? Error : Refused;
      reject(new Kind(`the answer has the status ${statusCode}`));
    });
    request.on("error", (error) =>
      reject(signal.aborted && !stop.aborted ? new Error("no answer within 10 seconds") : error),
    );
    request.end(body);
  });
}
