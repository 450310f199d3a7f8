/** The client of a bayd, for the command: the same requests over the unix socket, TCP and ssh(1). */
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import type { Duplex, Readable } from "node:stream";
import { BayError, hasCode } from "../core/errors.ts";
import { receivedError, type SentError } from "../core/received-error.ts";
import type { RequestKind, Transport } from "./transport/transport.ts";
import { UnixTransport } from "./transport/unix.ts";

export interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  body: IncomingMessage;
}

export class Client {
  readonly #transport: Transport;
  /** Put before paths of the Engine API; bay's own routes are as they are. Set for stacks of several hosts. */
  scope = "";

  /** The path of the socket of this command's own roots, or another way to a bayd. */
  constructor(to: string | Transport) {
    this.#transport = typeof to === "string" ? new UnixTransport(to, true) : to;
  }

  /** The address of bayd, for messages. */
  get address(): string {
    return this.#transport.address;
  }

  /** True if files of this computer are not those of bayd's host. */
  get isRemote(): boolean {
    return this.#transport.isRemote;
  }

  /** A connection of its own to bayd, without a request. Throws like `send`. */
  connect(): Promise<Duplex> {
    return this.#transport.connect();
  }

  #request(
    kind: RequestKind,
    method: string,
    path: string,
    headers: Record<string, string | number>,
  ): ClientRequest {
    const scoped = path.startsWith("/bay/v1/") ? path : this.scope + path;
    return request({ ...this.#transport.routeOf(kind), method, path: scoped, headers });
  }

  #failure(cause: unknown): unknown {
    const explained = this.#transport.explain(cause);
    if (!hasCode(explained, "ECONNRESET", "EPIPE", "ERR_STREAM_PREMATURE_CLOSE")) return explained;
    return this.#lost(explained);
  }

  #lost(cause?: unknown): BayError {
    if (this.isRemote)
      return new BayError("DAEMON_LOST", `the connection to ${this.address} was lost during the request`, {
        cause,
        hint: "check that bayd runs on that host, and run the command again",
      });
    return new BayError("DAEMON_LOST", "bayd stopped during the request", {
      cause,
      hint: "it restarts by itself unless it was stopped; run the command again",
    });
  }

  /** The error of an answer with a status of 400 or higher. Docker's engine does not have bay's own routes. */
  #refusal(path: string, { status, headers }: Answer, text: string): BayError {
    const server = String(headers.server ?? "");
    if (status === 404 && path.startsWith("/bay/") && !text.includes('"code"'))
      return new BayError(
        "NOT_BAYD",
        `${this.address} is not bayd: it answers as ${server || "another server"}`,
        {
          hint: "set BAY_HOST or use bay context; both take precedence over DOCKER_HOST",
        },
      );
    return toError(text);
  }

  /** Sends one request; the response's body is not read. Throws NO_DAEMON, or HOST_UNREACHABLE for another host's bayd. */
  send(method: string, path: string, body?: unknown, more: Record<string, string> = {}): Promise<Answer> {
    return this.#send("long", method, path, body, more);
  }

  #send(
    kind: RequestKind,
    method: string,
    path: string,
    body: unknown,
    more: Record<string, string> = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers =
        text === undefined
          ? more
          : { ...more, "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) };
      const call = this.#request(kind, method, path, headers);
      call.on("response", (response) => {
        // it has no body; an unread response would keep the connection, and the command, from ending
        if (method === "HEAD") response.resume();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: response });
      });
      call.on("error", (cause) => reject(this.#failure(cause)));
      call.end(text);
    });
  }

  /** Sends a request whose body is a stream of bytes. Throws like `json`. */
  upload(method: string, path: string, source: Readable): Promise<string> {
    return new Promise((resolve, reject) => {
      const call = this.#request("long", method, path, { "Content-Type": "application/x-tar" });
      call.on("response", (response) => {
        void textOf(response)
          .then(
            (text) => ((response.statusCode ?? 500) >= 400 ? reject(toError(text)) : resolve(text)),
            reject,
          )
          .finally(() => {
            // bayd answers a rejected upload before it has read all
            source.unpipe(call);
            source.destroy();
            call.destroy();
          });
      });
      call.on("error", (cause) => reject(this.#failure(cause)));
      source.on("error", reject);
      source.pipe(call);
    });
  }

  /** Sends a request and parses the JSON response. Throws the daemon's error with its code and hint. */
  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const text = await this.text(method, path, body);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** Sends a request and reads the response as text. Throws the daemon's error with its code and hint. */
  async text(method: string, path: string, body?: unknown): Promise<string> {
    const answer = await this.#send(method === "GET" ? "short" : "long", method, path, body);
    const text = await this.#read(answer.body);
    if (answer.status >= 400) throw this.#refusal(path, answer, text);
    return text;
  }

  /** Sends a request and returns the lines of JSON in the response. `opened` receives its stream, which may be destroyed. */
  async *lines<T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
    opened: (stream: IncomingMessage) => void = () => {},
  ): AsyncGenerator<T> {
    const answer = await this.send(method, path, body, headers);
    opened(answer.body);
    if (answer.status >= 400) throw this.#refusal(path, answer, await this.#read(answer.body));
    let rest = "";
    answer.body.setEncoding("utf8");
    try {
      for await (const chunk of answer.body) {
        const parts = (rest + chunk).split("\n");
        rest = parts.pop() ?? "";
        for (const part of parts) if (part) yield JSON.parse(part) as T;
      }
    } catch (cause) {
      throw this.#lost(cause);
    }
  }

  async #read(body: IncomingMessage): Promise<string> {
    try {
      return await textOf(body);
    } catch (cause) {
      throw this.#failure(cause);
    }
  }

  /** Opens a hijacked connection, as attach and exec use it. */
  upgrade(path: string, body?: unknown): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? "" : JSON.stringify(body);
      const headers = {
        Connection: "Upgrade",
        Upgrade: "tcp",
        "Content-Type": "application/json",
        "Content-Length": Buffer.byteLength(text),
      };
      const call = this.#request("long", "POST", path, headers);
      call.on("upgrade", (_response, socket, head) => {
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      });
      call.on("response", (response) => void textOf(response).then((answer) => reject(toError(answer))));
      call.on("error", (cause) => reject(this.#failure(cause)));
      call.end(text);
    });
  }
}

/** The whole of a stream as text. By its events, because the iterator of a stream takes Node 2 ms to load. */
export function textOf(stream: Readable): Promise<string> {
  const parts: Buffer[] = [];
  return new Promise((resolve, reject) => {
    stream.on("data", (part: Buffer) => parts.push(part));
    stream.on("end", () => resolve(Buffer.concat(parts).toString("utf8")));
    stream.on("error", reject);
    stream.on("close", () => reject(new BayError("DAEMON_LOST", "bayd stopped during the request")));
  });
}

/** The error in the body of a response. */
export function toError(text: string): BayError {
  try {
    return receivedError(JSON.parse(text) as SentError, "DAEMON");
  } catch {
    return new BayError("DAEMON", text.trim() || "bayd sent an empty answer");
  }
}
