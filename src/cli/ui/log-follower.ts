/** Showing containers' logs with the name of each before its lines, in the service's colour. */
import { once } from "node:events";
import type { Client } from "../../daemon/index.ts";
import { BayError } from "../../errors.ts";
import { type ContainerRow, nameOf, numberOf, serviceOf } from "../context.ts";
import { paint, prefixColour } from "./output.ts";

export interface FollowQuery {
  tail: string;
  follow: boolean;
  since?: string;
  until?: string;
}

export class LogFollower {
  readonly #colours = new Map<string, number>();
  #width = 0;

  constructor(
    readonly client: Client,
    readonly options: { prefix: boolean; timestamps: boolean; colour: boolean },
  ) {}

  /** Resolves at the end of the logs. */
  async follow(row: ContainerRow, query: FollowQuery): Promise<void> {
    const label = serviceOf(row) ? `${serviceOf(row)}-${numberOf(row)}` : nameOf(row);
    this.#width = Math.max(this.#width, label.length);
    if (!this.#colours.has(label)) this.#colours.set(label, this.#colours.size);
    const parameters = new URLSearchParams({
      stdout: "1",
      stderr: "1",
      tail: query.tail,
      follow: query.follow ? "1" : "0",
      timestamps: this.options.timestamps ? "1" : "0",
      chunks: "1",
    });
    if (query.since) parameters.set("since", query.since);
    if (query.until) parameters.set("until", query.until);
    const { body, status } = await this.client.send("GET", `/containers/${row.Id}/logs?${parameters}`);
    if (status >= 400) throw new BayError("LOGS", `the logs of ${label} cannot be read`);
    const isMultiplexed = body.headers["content-type"] === "application/vnd.docker.multiplexed-stream";
    const show = this.#printer(label);
    if (!isMultiplexed) for await (const chunk of body) await show(1, chunk as Buffer);
    else for await (const { stream, bytes } of framesOf(body)) await show(stream, bytes);
  }

  /** Resolves when the reader of the output has room for more. */
  #printer(label: string): (stream: number, bytes: Buffer) => Promise<void> {
    return async (stream, bytes) => {
      const target = stream === 2 ? process.stderr : process.stdout;
      const text = this.options.prefix ? this.#prefixed(label, target, bytes) : bytes;
      if (!target.write(text)) await once(target, "drain");
    };
  }

  /** Lines as bytes: what a container writes need not be UTF-8. */
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
