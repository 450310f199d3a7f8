/**
 * A request ends when its response is complete, or when its client disconnects, whichever comes first. Node does not do this
 * alone: it notices that a client has disconnected only if it reads from the connection or writes to it, and it notifies only
 * one of several requests.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { hungUp } from "../../linux/index.ts";

/**
 * Milliseconds of silence of a TCP client after which the kernel asks whether it still exists; a host that does not answer is
 * disconnected 10 s later. A client that was killed answers until its host forgets the connection (tcp(7), tcp_fin_timeout).
 */
export const KEEPALIVE = 15_000;

/** The number of requests that have not ended, for each connection. */
const open = new Map<Duplex, number>();

/** Connections that do not use HTTP any more. */
const taken = new WeakSet<Duplex>();

export const isTaken = (socket: Duplex): boolean => taken.has(socket);

/** From now on everything that the client sends is input, and not another request. */
export function markTaken(socket: Duplex): void {
  taken.add(socket);
}

/** The number of requests of this connection that have not ended. */
export const openOn = (socket: Duplex): number => open.get(socket) ?? 0;

/** Counts a request of this connection, and watches its client until the returned function is called once. */
export function watchClient(socket: Duplex): () => void {
  open.set(socket, openOn(socket) + 1);
  keepLooking();
  return () => {
    const left = openOn(socket) - 1;
    if (left > 0) open.set(socket, left);
    else open.delete(socket);
  };
}

/** Closes the response with its connection: Node notifies only the first of several pipelined responses. */
export function closeWithSocket(socket: Socket, response: ServerResponse): void {
  const release = watchClient(socket);
  const onClose = () =>
    setImmediate(() => {
      if (response.closed) return;
      response.destroy();
      response.emit("close");
    });
  // a pipelined request is parsed even after its connection has ended
  if (socket.closed) onClose();
  else socket.once("close", onClose);
  response.once("close", () => {
    socket.off("close", onClose);
    release();
  });
}

/** Calls `done` once when the response or its connection has ended, which may be the case already. */
export function whenOver(socket: Socket, response: ServerResponse, done: () => void): void {
  const end = () => {
    socket.off("close", end);
    done();
  };
  response.once("close", end);
  if (socket.closed || response.closed) setImmediate(end);
  else socket.once("close", end);
}

/**
 * Milliseconds for which a connection is kept after everything was sent, and for which the input of a disconnected client is
 * kept.
 */
const LINGER = 10_000;

/** When a client with unread input was found to be disconnected. */
const goneSince = new WeakMap<Duplex, number>();

/** The interval in milliseconds of checks for disconnected clients. */
const LOOK_INTERVAL = 1000;
let timer: NodeJS.Timeout | undefined;

function keepLooking(): void {
  if (timer) return;
  timer = setInterval(() => {
    destroyGone();
    if (open.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  }, LOOK_INTERVAL);
  timer.unref();
}

/**
 * Only poll(2) shows that a client has disconnected if bayd neither reads nor writes: while a handler does not read the body,
 * and on a connection that was taken over, where the end of the input is not the end of the client.
 */
function destroyGone(): void {
  const sockets: { socket: Duplex; fd: number }[] = [];
  for (const socket of open.keys()) {
    const { fd = -1 } = (socket as { _handle?: { fd?: number } | null })._handle ?? {};
    if (fd >= 0) sockets.push({ socket, fd });
  }
  const ended = hungUp(sockets.map(({ fd }) => fd));
  for (const [index, { socket }] of sockets.entries())
    if (ended[index] && !isReading(socket)) socket.destroy();
}

/** The last input of a client of attach or exec still reaches a container that reads it soon. */
function isReading(socket: Duplex): boolean {
  if (!isTaken(socket) || socket.readableEnded) return false;
  const since = goneSince.get(socket) ?? Date.now();
  goneSince.set(socket, since);
  return Date.now() - since < LINGER;
}

/** Ends a connection that was taken over, even if the client never closes its side. */
export function endSocket(socket: Duplex): void {
  if (socket.destroyed) return;
  socket.end(() => {
    const timer = setTimeout(() => socket.destroy(), LINGER);
    timer.unref();
    socket.once("close", () => clearTimeout(timer));
  });
}
