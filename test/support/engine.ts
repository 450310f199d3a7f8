/** Requests to bayd's socket as the Engine API has them, by clients that may go away in the middle. */
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import type { Bay } from "./bay.ts";

export interface Answer {
  status: number;
  body: string;
}

/** One request to its end. Status 0 where the connection was lost: bayd was killed. */
export function ask(bay: Bay, method: string, path: string, body?: unknown): Promise<Answer> {
  return new Promise((resolve) => {
    const lost = () => resolve({ status: 0, body: "" });
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    const call = request({ socketPath: bay.socket, method, path, headers, agent: false });
    call.on("error", lost);
    call.on("response", (response: IncomingMessage) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("error", lost);
      response.on("end", () => resolve({ status: response.statusCode!, body: text }));
    });
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** As `ask`, with the answer read as JSON; undefined for anything but success. */
export async function askFor<T>(
  bay: Bay,
  method: string,
  path: string,
  body?: unknown,
): Promise<T | undefined> {
  const { status, body: text } = await ask(bay, method, path, body);
  return status >= 200 && status < 300 && text !== "" ? (JSON.parse(text) as T) : undefined;
}

export type Leaving = "destroy" | "half-close" | "at once";

/**
 * Sends raw bytes and leaves: after the first bytes of an answer, or at once. A half-closed connection ends its own side and
 * reads on, until bayd closes or `patience` milliseconds are over.
 */
export function sendRaw(bay: Bay, bytes: string, leaving: Leaving, patience: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ path: bay.socket, allowHalfOpen: true });
    const timer = setTimeout(() => socket.destroy(), patience);
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve();
    });
    socket.on("end", () => socket.end());
    socket.on("data", () => leaving === "destroy" && socket.destroy());
    socket.write(bytes, () => {
      if (leaving === "at once") socket.destroy();
      if (leaving === "half-close") socket.end();
    });
  });
}

/** The text of a request, with its body. */
export function rawRequest(method: string, path: string, body = "", headers: readonly string[] = []): string {
  return [
    `${method} ${path} HTTP/1.1`,
    "Host: bay",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(body === "" ? [] : ["Content-Type: application/json"]),
    ...headers,
    "",
    body,
  ].join("\r\n");
}
