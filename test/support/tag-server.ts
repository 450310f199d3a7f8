/** A registry of a test that only lists tags. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

type Answer = (call: IncomingMessage, answer: ServerResponse) => void;

export class TagServer {
  tags: string[] = [];
  /** What is done in place of listing the tags. */
  answer: Answer | undefined;
  readonly paths: string[] = [];
  readonly #server = createServer((call, answer) => {
    if (!call.url!.includes("/tags/list")) return void answer.end("{}");
    this.paths.push(call.url!);
    if (this.answer) return this.answer(call, answer);
    answer.end(JSON.stringify({ tags: this.tags }));
  });

  static async start(): Promise<TagServer> {
    const server = new TagServer();
    await new Promise<void>((done) => server.#server.listen(0, "127.0.0.1", done));
    return server;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
