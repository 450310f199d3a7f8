/** The HTTP layer of bayd's socket: routes, bodies, errors as Docker has them, and hijacked connections. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { diskFullError } from "../disk-room.ts";
import { BayError, messageOf } from "../errors.ts";

export interface Call {
  request: IncomingMessage;
  response: ServerResponse;
  /** The path's captured parts, decoded. */
  parts: string[];
  query: URLSearchParams;
  /** The parsed JSON body; an empty body is an empty object. Throws BAD_REQUEST. */
  json: () => Promise<unknown>;
}

export interface Route {
  method: string;
  path: RegExp;
  handle: (call: Call) => Promise<void> | void;
}

/** A route; `:` in the path stands for one part, `*` for the rest. */
export function route(method: string, path: string, handle: Route["handle"]): Route {
  const pattern = path.replaceAll("*", "(.+)").replaceAll(":", "([^/]+)");
  return { method, path: new RegExp(`^${pattern}$`), handle };
}

const MAX_BODY = 32 << 20;

export async function readBody(request: IncomingMessage, limit = MAX_BODY): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += (part as Buffer).length;
    if (size > limit) throw new BayError("BAD_REQUEST", "the request is too large");
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts);
}

export function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) return {};
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new BayError("BAD_REQUEST", "the body is not JSON", { cause });
  }
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(`${JSON.stringify(value)}\n`);
}

const STATUS: Record<string, number> = {
  BAD_REQUEST: 400,
  CONTAINER_NOT_FOUND: 404,
  IMAGE_NOT_FOUND: 404,
  NETWORK_NOT_FOUND: 404,
  VOLUME_NOT_FOUND: 404,
  EXEC_NOT_FOUND: 404,
  PATH_NOT_FOUND: 404,
  NO_ROUTE: 404,
  NOT_RUNNING: 409,
  IS_RUNNING: 409,
  IMAGE_IN_USE: 409,
  VOLUME_IN_USE: 409,
  BUILD_RUNNING: 409,
  BAD_CHANGE: 400,
  BAD_REFERENCE: 400,
  NAME_TAKEN: 409,
  PORT_TAKEN: 409,
  NETWORK_IN_USE: 409,
  UNSUPPORTED: 501,
};

/** Docker's error shape, with bay's code and hint beside the message. */
export function sendError(response: ServerResponse, error: unknown): void {
  const known = diskFullError(error) ?? (error instanceof BayError ? error : undefined);
  const body = {
    message: messageOf(known ?? error),
    code: known?.code ?? "INTERNAL",
    ...(known?.hint ? { hint: known.hint } : {}),
  };
  if (response.headersSent) response.end(`${JSON.stringify({ error: body })}\n`);
  else sendJson(response, STATUS[body.code] ?? 500, body);
}

/** A newline-delimited JSON answer that goes on. */
export function startStream(response: ServerResponse, type = "application/json"): (value: unknown) => void {
  response.writeHead(200, { "Content-Type": type });
  response.flushHeaders();
  return (value) => void response.write(`${JSON.stringify(value)}\n`);
}

/** One frame of Docker's multiplexed stream: {u8 stream, 3 zeros, u32 length big endian, bytes}. */
export function frame(stream: number, bytes: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

/**
 * Takes the connection over, as Docker's attach and exec do: 101 where the client asked to upgrade, else 200
 * and raw bytes. `tty` decides the content type.
 */
export function hijack(socket: Duplex, upgraded: boolean, tty: boolean): void {
  const type = tty ? "application/vnd.docker.raw-stream" : "application/vnd.docker.multiplexed-stream";
  socket.write(
    upgraded
      ? `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`
      : `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n\r\n`,
  );
}
