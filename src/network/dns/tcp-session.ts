/** One TCP connection of a container to its DNS server: messages preceded by their length (RFC 1035, 4.2.2; RFC 7766). */

import type { Socket } from "node:net";
import { LIMITS } from "../../core/limits.ts";
import { MAX_QUERY } from "./message.ts";
import { framed } from "./upstream.ts";

const IDLE_MS = 10_000;
/** The most unanswered questions of one connection; until there are fewer, the connection is not read. */
const MAX_WAITING = LIMITS.dns.waiting;
/** Milliseconds for which a connection over the rate limit is not read. */
const PAUSE_MS = 100;

export interface TcpSessionOptions {
  /** Returns the answer; undefined if there is none. */
  resolve: (message: Buffer) => Promise<Buffer | undefined>;
  /** Returns false while the container exceeds its rate. */
  mayAsk: () => boolean;
}

/** Serves the connection until it ends, is idle, or sends something other than a DNS message. */
export function serveTcp(socket: Socket, { resolve, mayAsk }: TcpSessionOptions): void {
  let received = Buffer.alloc(0);
  let waiting = 0;
  let isHeld = false;
  let hasEnded = false;
  socket.on("error", () => {});
  socket.setTimeout(IDLE_MS, () => socket.destroy());

  const take = () => {
    while (!socket.destroyed && received.length >= 2) {
      const size = received.readUInt16BE(0);
      if (size === 0 || size > MAX_QUERY) return socket.destroy();
      if (received.length < 2 + size) break;
      if (waiting >= MAX_WAITING || socket.writableNeedDrain) return hold();
      if (!mayAsk()) return pause();
      answer(Buffer.from(received.subarray(2, 2 + size)));
      received = received.subarray(2 + size);
    }
    if (isHeld) {
      isHeld = false;
      socket.resume();
    }
    if (hasEnded && waiting === 0) socket.end();
  };
  const hold = () => {
    isHeld = true;
    socket.pause();
  };
  const pause = () => {
    hold();
    setTimeout(take, PAUSE_MS).unref();
  };
  const answer = (message: Buffer) => {
    waiting += 1;
    resolve(message).then(
      (reply) => {
        waiting -= 1;
        if (reply && !socket.destroyed) socket.write(framed(reply));
        if (isHeld || hasEnded) take();
      },
      () => socket.destroy(),
    );
  };

  socket.on("drain", () => isHeld && take());
  // a client may close its sending side after its last question
  socket.on("end", () => {
    hasEnded = true;
    take();
  });
  socket.on("data", (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    if (!isHeld) take();
  });
}
