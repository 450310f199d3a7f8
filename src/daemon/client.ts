/** The client of bayd's socket, for the command. */
import { type IncomingMessage, request } from "node:http";
import type { Duplex, Readable } from "node:stream";
import { BayError, hasCode } from "../core/errors.ts";
import { receivedError, type SentError } from "../core/received-error.ts";

export interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  body: IncomingMessage;
}

/** Without a name, Node would test whether the host is an address, with a pattern that takes 1 ms to compile. */
const NO_NAME = { servername: "" };

export class Client {
  /** Put before paths of the Engine API; bay's own routes are as they are. Set for stacks of several hosts. */
  scope = "";

  constructor(readonly socketPath: string) {}

  #at(path: string): string {
    return path.startsWith("/bay/v1/") ? path : this.scope + path;
  }

  /** Sends one request; the response's body is not read. Throws NO_DAEMON if no process listens. */
  send(method: string, path: string, body?: unknown, more: Record<string, string> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers =
        text === undefined
          ? more
          : { ...more, "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) };
      const call = request(
        { ...NO_NAME, socketPath: this.socketPath, method, path: this.#at(path), headers, agent: false },
        (response) =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: response }),
      );
      call.on("error", (cause) => {
        if (hasCode(cause, "ECONNREFUSED", "ENOENT"))
          reject(new BayError("NO_DAEMON", "bayd is not running", { cause, hint: "bay up starts it" }));
        else if (hasCode(cause, "EACCES"))
          reject(
            new BayError("NO_ACCESS", `no access to ${this.socketPath}`, {
              cause,
              hint: "run the command as root, or as a member of the group of bayd's socket",
            }),
          );
        else if (hasCode(cause, "ECONNRESET", "EPIPE"))
          reject(
            new BayError("DAEMON_LOST", "bayd stopped during the request", {
              cause,
              hint: "it restarts in a moment; run the command again",
            }),
          );
        else reject(cause);
      });
      call.end(text);
    });
  }

  /** Sends a request whose body is a stream of bytes. Throws like `json`. */
  upload(method: string, path: string, source: Readable): Promise<string> {
    return new Promise((resolve, reject) => {
      const call = request(
        {
          ...NO_NAME,
          socketPath: this.socketPath,
          method,
          path: this.#at(path),
          headers: { "Content-Type": "application/x-tar" },
          agent: false,
        },
        (response) => {
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
        },
      );
      call.on("error", reject);
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
    const answer = await this.send(method, path, body);
    const text = await textOf(answer.body);
    if (answer.status >= 400) throw toError(text);
    return text;
  }

  /** Sends a request and returns the lines of JSON in the response. */
  async *lines<T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): AsyncGenerator<T> {
    const answer = await this.send(method, path, body, headers);
    if (answer.status >= 400) throw toError(await textOf(answer.body));
    let rest = "";
    answer.body.setEncoding("utf8");
    try {
      for await (const chunk of answer.body) {
        const parts = (rest + chunk).split("\n");
        rest = parts.pop() ?? "";
        for (const part of parts) if (part) yield JSON.parse(part) as T;
      }
    } catch (cause) {
      throw new BayError("DAEMON_LOST", "bayd stopped during the request", {
        cause,
        hint: "it restarts in a moment; run the command again",
      });
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
      const call = request({
        ...NO_NAME,
        socketPath: this.socketPath,
        method: "POST",
        path: this.#at(path),
        headers,
      });
      call.on("upgrade", (_response, socket, head) => {
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      });
      call.on("response", (response) => void textOf(response).then((answer) => reject(toError(answer))));
      call.on("error", reject);
      call.end(text);
    });
  }
}

export async function textOf(stream: AsyncIterable<Buffer | string>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(Buffer.from(part as Buffer));
  return Buffer.concat(parts).toString("utf8");
}

/** The error in the body of a response. */
export function toError(text: string): BayError {
  try {
    return receivedError(JSON.parse(text) as SentError, "DAEMON");
  } catch {
    return new BayError("DAEMON", text.trim() || "bayd sent an empty answer");
  }
}
