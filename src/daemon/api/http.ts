/** The HTTP layer of bayd's socket: routes, bodies, errors in Docker's format, and hijacked connections. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { z } from "zod";
import { markTaken } from "./connections.ts";
import { errorAnswer } from "./error-status.ts";

export interface Call {
  request: IncomingMessage;
  response: ServerResponse;
  /** The captured parts of the path, decoded. */
  parts: string[];
  query: URLSearchParams;
  /** Parses the JSON body by a schema; an empty body is an empty object. Throws BAD_REQUEST, BODY_TOO_LARGE. */
  body: <S extends z.ZodType>(schema: S) => Promise<z.output<S>>;
  /** Parses the JSON body of bay's own routes, which may be larger. Throws BAD_REQUEST, BODY_TOO_LARGE. */
  ownBody: <S extends z.ZodType>(schema: S) => Promise<z.output<S>>;
}

export interface Route {
  /** Such as `GET /containers/:/json`, its key in the table of parameters. */
  name: string;
  method: string;
  path: RegExp;
  handle: (call: Call) => Promise<void> | void;
}

/** Defines a route; `:` in the path matches one part, `*` the rest. */
export function route(method: string, path: string, handle: Route["handle"]): Route {
  const pattern = path.replaceAll("*", "(.+)").replaceAll(":", "([^/]+)");
  return { name: `${method} ${path}`, method, path: new RegExp(`^${pattern}$`), handle };
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(`${JSON.stringify(value)}\n`);
}

/** Sends an error in Docker's format; if a stream has begun, as its last line. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (response.destroyed || response.writableEnded) return;
  const { status, body } = errorAnswer(error);
  if (response.headersSent) response.end(`${JSON.stringify({ error: body })}\n`);
  else sendJson(response, status, body);
}

/** Starts a streaming response of newline-delimited JSON. */
export function startStream(response: ServerResponse, type = "application/json"): (value: unknown) => void {
  response.writeHead(200, { "Content-Type": type });
  response.flushHeaders();
  return (value) => void response.write(`${JSON.stringify(value)}\n`);
}

/**
 * Calls the action once when a connection is closed. If it has closed already, there is no event any more, and the action is
 * called immediately.
 */
export function whenClosed(stream: ServerResponse | IncomingMessage | Duplex, action: () => void): void {
  if (stream.destroyed) action();
  else stream.once("close", action);
}

/** A signal that aborts if the client disconnects before it has the whole response. */
export function goneSignal(response: ServerResponse): AbortSignal {
  const abort = new AbortController();
  whenClosed(response, () => response.writableFinished || abort.abort());
  return abort.signal;
}

/** One frame of Docker's multiplexed stream: {u8 stream, 3 zeros, u32 length big endian, bytes}. */
export function frame(stream: number, bytes: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

/**
 * Takes the connection over, as in Docker's attach and exec: responds 101 if the client asked to upgrade, else 200 and raw
 * bytes. `tty` determines the content type.
 */
export function hijack(socket: Duplex, upgraded: boolean, tty: boolean): void {
  markTaken(socket);
  if (!upgraded) detachParser(socket as Socket);
  const type = tty ? "application/vnd.docker.raw-stream" : "application/vnd.docker.multiplexed-stream";
  socket.write(
    upgraded
      ? `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`
      : `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n\r\n`,
  );
}

/** From now on Node's parser sees nothing: everything that the client sends is input, and not another request. */
function detachParser(socket: Socket): void {
  socket.setTimeout(0);
  const listeners = [...socket.listeners("data"), ...socket.listeners("end")];
  socket.on("data", () => {}); // makes the parser stop reading the socket by itself
  for (const listener of listeners) {
    socket.off("data", listener as () => void);
    socket.off("end", listener as () => void);
  }
}
