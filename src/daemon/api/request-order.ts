/**
 * The requests of one connection are handled in their order, one at a time, as their responses are sent (RFC 9112, section
 * 9.3.2), and one in each turn of the event loop. Otherwise a client that pipelines hundreds of requests would delay the
 * responses to all other clients until its own are handled.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { LIMITS } from "../../core/limits.ts";
import { whenOver } from "./connections.ts";

interface Waiting {
  response: ServerResponse;
  handle: () => void;
}

/** Connections with a request that has not ended: the requests behind it. */
const behind = new WeakMap<Socket, Waiting[]>();

/**
 * Calls `handle` when all earlier requests of the connection have ended; it is not called if the connection closes first. Bayd
 * reads no further requests while `LIMITS.request.pipelined` wait, and closes a connection that has many more of them.
 */
export function inOrder(socket: Socket, response: ServerResponse, handle: () => void): void {
  const queue = behind.get(socket);
  if (!queue) {
    behind.set(socket, []);
    begin(socket, { response, handle });
    return;
  }
  if (queue.length >= LIMITS.request.pipelinedMost) return void socket.destroy();
  queue.push({ response, handle });
  // Node resumes the connection after each request that it has parsed, so it is paused after the last one of a read
  if (queue.length % LIMITS.request.pipelined === 0) process.nextTick(pauseFull, socket);
}

function pauseFull(socket: Socket): void {
  if ((behind.get(socket)?.length ?? 0) >= LIMITS.request.pipelined) socket.pause();
}

function begin(socket: Socket, { response, handle }: Waiting): void {
  whenOver(socket, response, () => setImmediate(beginNext, socket));
  handle();
}

function beginNext(socket: Socket): void {
  const queue = behind.get(socket);
  const next = queue?.shift();
  if (!queue || !next || socket.destroyed) return void behind.delete(socket);
  if (queue.length < LIMITS.request.pipelined && socket.isPaused()) socket.resume();
  begin(socket, next);
}
