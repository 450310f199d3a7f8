/** Showing containers' logs with the name of each before its lines, in the service's colour. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { BayError, hasCode } from "../../core/errors.ts";
import type { Client } from "../../daemon/index.ts";
import { type ContainerRow, nameOf, numberOf, serviceOf } from "../named-containers.ts";
import { LogPlace, withoutTimes } from "./log-place.ts";
import { paint, prefixColour } from "./output.ts";
import { isLoss, patiently } from "./stack-changes.ts";

export interface FollowQuery {
  tail: string;
  follow: boolean;
  since?: string | undefined;
  until?: string | undefined;
}

type Show = (stream: number, bytes: Buffer) => Promise<void>;

export class LogFollower {
  readonly #colours = new Map<string, number>();
  readonly #live = new Set<IncomingMessage>();
  readonly #following = new Set<Promise<void>>();
  #isFinishing = false;
  #width = 0;

  constructor(
    readonly client: Client,
    readonly options: { prefix: boolean; timestamps: boolean; colour: boolean },
  ) {}

  /** Shows existing output, and with `follow` new output until the container's removal or `finish`. Throws DAEMON_LOST, LOGS. */
  follow(row: ContainerRow, query: FollowQuery): Promise<void> {
    const following = this.#follow(row, query);
    const tracked = following.catch(() => {}).finally(() => this.#following.delete(tracked));
    this.#following.add(tracked);
    return following;
  }

  async #follow(row: ContainerRow, query: FollowQuery): Promise<void> {
    const label = serviceOf(row) ? `${serviceOf(row)}-${numberOf(row)}` : nameOf(row);
    this.#width = Math.max(this.#width, label.length);
    if (!this.#colours.has(label)) this.#colours.set(label, this.#colours.size);
    const show = this.#printer(label);
    const { timestamps } = this.options;
    if (!query.follow || query.until !== undefined) return this.#read(row.Id, query, timestamps, show);
    const began = query.tail === "all" ? query.since : new Date().toISOString();
    const place = (await this.#hasTerminal(row.Id)) ? undefined : new LogPlace();
    for (let wanted = query; ; ) {
      try {
        await this.#read(row.Id, wanted, timestamps || place !== undefined, (stream, bytes) => {
          const fresh = place ? place.take(bytes) : bytes;
          return show(stream, timestamps || !place ? fresh : withoutTimes(fresh));
        });
        return;
      } catch (error) {
        if (!isLoss(error)) throw error;
      }
      // the output of a terminal cannot be split into lines
      const since = place ? (place.since ?? began) : new Date().toISOString();
      wanted = { tail: "all", follow: !this.#isFinishing, ...(since === undefined ? {} : { since }) };
    }
  }

  /** Stops following when everything written so far has been shown. */
  async finish(): Promise<void> {
    this.#isFinishing = true;
    for (const body of this.#live) body.destroy();
    await Promise.all(this.#following);
  }

  async #hasTerminal(id: string): Promise<boolean> {
    try {
      const ask = () => this.client.json<{ Config: { Tty: boolean } }>("GET", `/containers/${id}/json`);
      return (await patiently(ask)).Config.Tty;
    } catch (error) {
      if (hasCode(error, "CONTAINER_NOT_FOUND")) return false;
      throw error;
    }
  }

  async #read(id: string, query: FollowQuery, timestamps: boolean, show: Show): Promise<void> {
    const parameters = new URLSearchParams({
      stdout: "1",
      stderr: "1",
      tail: query.tail,
      follow: query.follow ? "1" : "0",
      restarts: query.follow && query.until === undefined ? "1" : "0",
      timestamps: timestamps ? "1" : "0",
      chunks: "1",
    });
    if (query.since) parameters.set("since", query.since);
    if (query.until) parameters.set("until", query.until);
    const ask = () => this.client.send("GET", `/containers/${id}/logs?${parameters}`);
    const { body, status } = await (query.follow ? patiently(ask) : ask());
    if (status === 404) return void body.resume(); // it was removed in the meantime
    if (status >= 400)
      throw new BayError("LOGS", `the logs of the container ${id.slice(0, 12)} cannot be read`);
    const isMultiplexed = body.headers["content-type"] === "application/vnd.docker.multiplexed-stream";
    if (query.follow && this.#isFinishing) {
      // a request made before `finish` would never end: read the output again without following
      body.destroy();
      throw new BayError("DAEMON_LOST", "the connection was closed");
    }
    if (query.follow) this.#live.add(body);
    try {
      if (!isMultiplexed) for await (const chunk of body) await show(1, chunk as Buffer);
      else for await (const { stream, bytes } of framesOf(body)) await show(stream, bytes);
    } finally {
      this.#live.delete(body);
    }
  }

  /** Resolves when the reader of the output has room for more. */
  #printer(label: string): Show {
    return async (stream, bytes) => {
      if (bytes.length === 0) return;
      const target = stream === 2 ? process.stderr : process.stdout;
      const text = this.options.prefix ? this.#prefixed(label, target, bytes) : bytes;
      if (!target.write(text)) await once(target, "drain");
    };
  }

  /** Lines as bytes: a container's output need not be UTF-8. */
  #prefixed(label: string, target: NodeJS.WriteStream, bytes: Buffer): Buffer {
    const padded = `${label.padEnd(this.#width)} | `;
    const prefix = this.options.colour
      ? paint(padded, prefixColour(this.#colours.get(label)!), target)
      : padded;
    const lines = bytes.toString("latin1").replace(/\n$/, "");
    const binary = Buffer.from(prefix).toString("latin1");
    return Buffer.from(`${binary}${lines.replaceAll("\n", `\n${binary}`)}\n`, "latin1");
  }
}

/** The frames of a multiplexed stream (Docker Engine API, attach): 1 is standard output, 2 standard error. */
async function* framesOf(body: AsyncIterable<unknown>): AsyncGenerator<{ stream: number; bytes: Buffer }> {
  let rest = Buffer.alloc(0);
  for await (const chunk of body) {
    rest = rest.length === 0 ? (chunk as Buffer<ArrayBuffer>) : Buffer.concat([rest, chunk as Buffer]);
    while (rest.length >= 8 && rest.length >= 8 + rest.readUInt32BE(4)) {
      const end = 8 + rest.readUInt32BE(4);
      yield { stream: rest[0]!, bytes: rest.subarray(8, end) };
      rest = rest.subarray(end);
    }
  }
}
