/** A client of vite's hot module replacement: the websocket that a browser opens (RFC 6455), as far as vite uses it. */
import { randomBytes } from "node:crypto";
import { request } from "node:http";
import type { Duplex } from "node:stream";

export interface HmrMessage {
  type: string;
  updates?: { path: string }[];
}

export class HmrClient {
  readonly messages: HmrMessage[] = [];
  #rest = Buffer.alloc(0);

  private constructor(readonly socket: Duplex) {
    socket.on("data", (part: Buffer) => this.#read(part));
    socket.on("error", () => {});
  }

  /** `base` is the server's address. */
  static async connect(base: string): Promise<HmrClient> {
    const code = await (await fetch(`${base}/@vite/client`)).text();
    const token = /wsToken = "([^"]+)"/.exec(code)?.[1] ?? "";
    return new Promise((resolve, reject) => {
      const call = request(`${base}/?token=${token}`, {
        headers: {
          Connection: "Upgrade",
          Upgrade: "websocket",
          "Sec-WebSocket-Version": "13",
          "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
          "Sec-WebSocket-Protocol": "vite-hmr",
        },
      });
      call.on("upgrade", (_answer, socket, head) => {
        const client = new HmrClient(socket);
        client.#read(head);
        resolve(client);
      });
      call.on("response", ({ statusCode }) => reject(new Error(`the server answered ${statusCode}`)));
      call.on("error", reject);
      call.end();
    });
  }

  /** A server's frames are not masked; its messages are short texts in one frame. */
  #read(part: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, part]);
    while (this.#rest.length >= 2) {
      const short = this.#rest[1]! & 0x7f;
      const start = short === 126 ? 4 : 2;
      if (this.#rest.length < start) return;
      const end = start + (short === 126 ? this.#rest.readUInt16BE(2) : short);
      if (this.#rest.length < end) return;
      const isText = (this.#rest[0]! & 0x0f) === 1;
      if (isText) this.messages.push(JSON.parse(this.#rest.toString("utf8", start, end)) as HmrMessage);
      this.#rest = this.#rest.subarray(end);
    }
  }

  close(): void {
    this.socket.destroy();
  }
}
