/** Showing containers' logs with the name of each before its lines, in the service's colour. */
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
    });
    if (query.since) parameters.set("since", query.since);
    if (query.until) parameters.set("until", query.until);
    const { body, status } = await this.client.send("GET", `/containers/${row.Id}/logs?${parameters}`);
    if (status >= 400) throw new BayError("LOGS", `the logs of ${label} cannot be read`);
    const isMultiplexed = body.headers["content-type"] === "application/vnd.docker.multiplexed-stream";
    const show = this.#printer(label);
    let rest = Buffer.alloc(0);
    for await (const chunk of body) {
      if (!isMultiplexed) {
        show(1, chunk as Buffer);
        continue;
      }
      rest = Buffer.concat([rest, chunk as Buffer]);
      while (rest.length >= 8 && rest.length >= 8 + rest.readUInt32BE(4)) {
        const end = 8 + rest.readUInt32BE(4);
        show(rest[0]!, rest.subarray(8, end));
        rest = rest.subarray(end);
      }
    }
  }

  #printer(label: string): (stream: number, bytes: Buffer) => void {
    return (stream, bytes) => {
      const target = stream === 2 ? process.stderr : process.stdout;
      if (!this.options.prefix) return void target.write(bytes);
      const padded = `${label.padEnd(this.#width)} | `;
      const prefix = this.options.colour
        ? paint(padded, prefixColour(this.#colours.get(label)!), target)
        : padded;
      const lines = bytes.toString("utf8").replace(/\n$/, "").split("\n");
      target.write(`${lines.map((line) => prefix + line).join("\n")}\n`);
    };
  }
}
