/**
 * The HTTP listener for webhooks and metrics. Everybody on the network may connect to it: connections, times, sizes and rates are
 * bounded, and it shares nothing with bayd's API.
 */

import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { messageOf } from "../../core/errors.ts";
import { limitedLog } from "../../core/limited-log.ts";
import { LIMITS } from "../../core/limits.ts";
import { sourceName } from "../model/source.ts";
import { Deliveries, Rates } from "./limits.ts";
import { proofOf, Verification } from "./signature.ts";

export const HOOK_LIMITS = LIMITS.webhooks;

const SERVER_OPTIONS = {
  headersTimeout: HOOK_LIMITS.headersTime,
  requestTimeout: HOOK_LIMITS.requestTime,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
  maxHeaderSize: 16 << 10,
};

export interface ListenerOptions {
  address: string;
  /** 0 for any free port. */
  port: number;
  /** PEM texts; undefined for plain HTTP. */
  tls: { key: string; cert: string } | undefined;
  /** The secret of a source's webhook. */
  secretOf: (name: string) => string | undefined;
  /** A genuine push for a source. */
  onPush: (name: string) => void;
  /** The text of /metrics; undefined if it is not served. */
  metrics: (() => string) | undefined;
  log: (text: string) => void;
  /** The clock of the rates, in milliseconds. */
  now?: () => number;
}

export class HookListener {
  readonly #server: Server;
  readonly #sockets = new Map<Socket, string>();
  readonly #ofAddress: Rates;
  readonly #ofSource: Rates;
  readonly #deliveries = new Deliveries();
  /** Unknown sources are checked against it, so that answers and times do not tell which exist. */
  readonly #noSecret = randomBytes(32).toString("hex");
  readonly #log: (text: string) => void;

  constructor(readonly options: ListenerOptions) {
    const { tls, now } = options;
    this.#log = limitedLog(options.log);
    this.#ofAddress = new Rates(10, 60, now);
    this.#ofSource = new Rates(1, 30, now);
    const handle = (request: IncomingMessage, response: ServerResponse) =>
      void this.#handle(request, response);
    this.#server = tls
      ? createTlsServer(
          { ...SERVER_OPTIONS, ...tls, minVersion: "TLSv1.2", handshakeTimeout: 10_000 },
          handle,
        )
      : createServer(SERVER_OPTIONS, handle);
    this.#server.maxConnections = HOOK_LIMITS.connections;
    this.#server.on("connection", (socket: Socket) => this.#bound(socket));
    this.#server.on("clientError", (_error, socket) => socket.destroy());
    this.#server.on("tlsClientError", (_error, socket) => socket.destroy());
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Throws the error of listen(2). */
  listen(): Promise<void> {
    const { address, port } = this.options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host: address, port }, () => {
        this.#server.removeAllListeners("error").on("error", (error) => this.#log(messageOf(error)));
        resolve();
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#sockets.keys()) socket.destroy();
    });
  }

  /** An address has only a share of the connections: the oldest of its connections ends. */
  #bound(socket: Socket): void {
    const address = socket.remoteAddress ?? "";
    this.#sockets.set(socket, address);
    socket.once("close", () => this.#sockets.delete(socket));
    const own = [...this.#sockets].filter(([, other]) => other === address);
    if (own.length > HOOK_LIMITS.ofAddress) own[0]![0].destroy();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on("error", () => {});
    response.on("error", () => {});
    try {
      await this.#answer(request, response);
    } catch (error) {
      this.#log(`webhook: ${messageOf(error)}`);
      answer(response, 500, "an internal error occurred");
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "").split("?")[0]!;
    if (!this.#ofAddress.takes(request.socket.remoteAddress ?? ""))
      return answer(response, 429, "too many requests from this address");
    const { metrics } = this.options;
    if (path === "/metrics" && metrics) {
      if (request.method !== "GET") return answer(response, 405, "expected GET");
      response.writeHead(200, { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" });
      return void response.end(metrics());
    }
    const [, name] = /^\/hooks\/([^/]+)$/.exec(path) ?? [];
    if (name === undefined) return answer(response, 404, "expected /hooks/NAME");
    if (request.method !== "POST") return answer(response, 405, "expected POST");
    await this.#push(name, request, response);
  }

  async #push(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refused = "the signature is missing or wrong, or the timestamp is too old";
    const proof = proofOf(request.headers, Date.now());
    if (!proof) return answer(response, 401, refused);
    const known = sourceName.safeParse(name).success ? this.options.secretOf(name) : undefined;
    const verification = new Verification(proof, known ?? this.#noSecret);
    let size = 0;
    try {
      const parts = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
      for await (const part of parts) {
        size += part.length;
        if (size > HOOK_LIMITS.body) return answer(response, 413, "the body is too large");
        verification.update(part);
      }
    } catch {
      return; // the client has disconnected, or was too slow
    }
    const marks = verification.marks();
    if (!marks || known === undefined) return answer(response, 401, refused);
    if (!this.#deliveries.accepts(marks.map((mark) => `${name} ${mark}`)))
      return answer(response, 409, "this delivery was accepted before");
    if (!this.#ofSource.takes(name)) return answer(response, 429, "too many pushes for this source");
    this.options.onPush(name);
    answer(response, 202, "accepted");
  }
}

/** Ends the connection: the rest of a refused body is not read. */
function answer(response: ServerResponse, status: number, message: string): void {
  if (response.headersSent || response.destroyed) return;
  const more = status === 429 ? { "Retry-After": "10" } : {};
  // a sender that reuses a connection which is closed in the same moment would lose its delivery
  response.writeHead(status, { "Content-Type": "application/json", ...more, Connection: "close" });
  response.end(`${JSON.stringify({ message })}\n`);
}
