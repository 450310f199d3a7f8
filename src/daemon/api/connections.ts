/**
 * A request ends when it is answered, or when its client is gone, whichever comes first. Node ends the others: it sees
 * that a client is gone only where it reads the connection or writes to it, and it tells only one of several requests.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { hungUp } from "../../linux/index.ts";

/** Connections by the number of their requests that are not at their end. */
const open = new Map<Duplex, number>();

/** Connections that speak no HTTP any more. */
const taken = new WeakSet<Duplex>();

export const isTaken = (socket: Duplex): boolean => taken.has(socket);

/** From now on what the client sends is input, and no further request. */
export function markTaken(socket: Duplex): void {
  taken.add(socket);
}

/** Requests of this connection that are not at their end. */
export const openOn = (socket: Duplex): number => open.get(socket) ?? 0;

/** Counts a request of this connection, whose client is watched until the returned function is called once. */
export function watchClient(socket: Duplex): () => void {
  open.set(socket, openOn(socket) + 1);
  keepLooking();
  return () => {
    const left = openOn(socket) - 1;
    if (left > 0) open.set(socket, left);
    else open.delete(socket);
  };
}

/** Ends the answer with its connection: Node tells only the first of several pipelined answers that it is gone. */
export function closeWithSocket(socket: Socket, response: ServerResponse): void {
  const release = watchClient(socket);
  const onClose = () =>
    setImmediate(() => {
      if (response.closed) return;
      response.destroy();
      response.emit("close");
    });
  // a request behind others is parsed also after the end of its connection
  if (socket.closed) onClose();
  else socket.once("close", onClose);
  response.once("close", () => {
    socket.off("close", onClose);
    release();
  });
}

/** Calls once, when the answer or its connection is at its end, which may be so already. */
export function whenOver(socket: Socket, response: ServerResponse, done: () => void): void {
  const end = () => {
    socket.off("close", end);
    done();
  };
  response.once("close", end);
  if (socket.closed || response.closed) setImmediate(end);
  else socket.once("close", end);
}

/** How long a connection stays on which everything was sent, and input of a client that is gone. */
const LINGER = 10_000;

/** Since when a client is gone whose input is not all read. */
const goneSince = new WeakMap<Duplex, number>();

/** Milliseconds after which a client that is gone is noticed. */
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
 * A client that is gone shows in nothing but poll(2) where bayd neither reads nor writes: behind a body that no handler
 * reads, and on a connection that was taken over, where the end of the input is not the end of the client.
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

/** Ends a connection that was taken over, also where the client never closes its side. */
export function endSocket(socket: Duplex): void {
  if (socket.destroyed) return;
  socket.end(() => {
    const timer = setTimeout(() => socket.destroy(), LINGER);
    timer.unref();
    socket.once("close", () => clearTimeout(timer));
  });
}
