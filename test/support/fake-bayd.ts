/** A bayd whose answers a test sets: it listens on a socket, records the requests of the command, and does nothing. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";

export interface Call {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage["headers"];
  /** The parsed body if it is JSON, else its text. */
  body: unknown;
}

/** A whole answer, for another status or kind than JSON with status 200. */
export class Reply {
  constructor(
    readonly status: number,
    readonly body: string | Buffer,
    readonly headers: Record<string, string> = {},
    readonly trailers: Record<string, string> = {},
  ) {}
}

/** The answer of bayd to a request that it rejects. */
export const rejection = (status: number, code: string, message: string, hint?: string): Reply =>
  new Reply(status, JSON.stringify({ message, code, ...(hint ? { hint } : {}) }));

/** Lines of JSON, as the routes that report progress send them. */
export const lines = (...values: object[]): Reply =>
  new Reply(200, values.map((value) => `${JSON.stringify(value)}\n`).join(""));

/** One frame of a multiplexed stream (Docker Engine API): 1 is standard output, 2 standard error. */
export function frame(stream: 1 | 2, text: string): Buffer {
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(8);
  head[0] = stream;
  head.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([head, bytes]);
}

type Handler = (call: Call, answer: ServerResponse) => unknown;
type Session = (socket: Duplex, call: Call) => void;

export class FakeBayd {
  readonly calls: Call[] = [];
  readonly folder = mkdtempSync(join(tmpdir(), "bay-fake-"));
  readonly #routes = new Map<string, unknown>();
  readonly #sessions = new Map<string, Session>();
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();

  private constructor() {
    this.#server = createServer((call, answer) => void this.#answer(call, answer));
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("upgrade", (call, socket) => void this.#upgrade(call, socket));
    this.on("GET /bay/v1/daemon", {});
  }

  /** The directories for `--root` and `--run`. */
  get root(): string {
    return join(this.folder, "root");
  }
  get run(): string {
    return this.folder;
  }

  static async start(): Promise<FakeBayd> {
    const bayd = new FakeBayd();
    const { resolveRoots, socketPath } = await import("../../src/core/roots.ts");
    const socket = socketPath(resolveRoots({ root: bayd.root, run: bayd.run }));
    await new Promise<void>((resolve) => bayd.#server.listen(socket, resolve));
    return bayd;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Sets the answer of a route, such as `GET /containers/json`: a value for JSON, a `Reply`, or a function of the request. */
  on(route: string, answer: unknown): this {
    this.#routes.set(route, answer);
    return this;
  }

  /** Sets what a hijacked connection to a path does. */
  onUpgrade(path: string, session: Session): this {
    this.#sessions.set(path, session);
    return this;
  }

  /** The requests as `METHOD /path?query`, without the question whether bayd runs. */
  get seen(): string[] {
    return this.calls
      .filter(({ path }) => path !== "/bay/v1/daemon")
      .map(({ method, path, query }) => `${method} ${path}${query.size > 0 ? `?${query}` : ""}`);
  }

  /** The body of the last request to a route. */
  bodyOf(route: string): unknown {
    return this.calls.findLast(({ method, path }) => `${method} ${path}` === route)?.body;
  }

  async #record(request: IncomingMessage): Promise<Call> {
    const { method = "GET", url = "/", headers } = request;
    const { pathname, searchParams } = new URL(url, "http://bayd");
    const call: Call = { method, path: pathname, query: searchParams, headers, body: undefined };
    this.calls.push(call);
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString();
    call.body = headers["content-type"] === "application/json" ? JSON.parse(text || "null") : text;
    return call;
  }

  async #answer(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    const call = await this.#record(request);
    const name = `${call.method} ${decodeURIComponent(call.path)}`;
    const route = this.#routes.get(name);
    const value = typeof route === "function" ? await (route as Handler)(call, answer) : route;
    if (answer.headersSent) return; // the function has answered by itself
    const reply =
      value instanceof Reply
        ? value
        : !this.#routes.has(name)
          ? rejection(501, "NO_ROUTE", `the fake bayd has no route ${call.method} ${call.path}`)
          : new Reply(200, value === undefined ? "" : JSON.stringify(value));
    answer.writeHead(reply.status, {
      ...reply.headers,
      ...(Object.keys(reply.trailers).length > 0 ? { trailer: Object.keys(reply.trailers).join(",") } : {}),
    });
    answer.write(reply.body);
    answer.addTrailers(reply.trailers);
    answer.end();
  }

  async #upgrade(request: IncomingMessage, socket: Duplex): Promise<void> {
    socket.on("error", () => {}); // the command may end the connection first
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://bayd");
    const call: Call = {
      method: "UPGRADE",
      path: pathname,
      query: searchParams,
      headers: request.headers,
      body: undefined,
    };
    this.calls.push(call);
    const session = this.#sessions.get(pathname);
    if (!session) {
      const text = JSON.stringify({ code: "NOT_FOUND", message: "the fake bayd has no such session" });
      socket.end(`HTTP/1.1 404 Not Found\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
      return;
    }
    socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    session(socket, call);
  }
}
