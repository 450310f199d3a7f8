/** The FIFO through which shims announce ends: 8 bytes each, the first half of an ID. */
import { constants, openSync } from "node:fs";
import { Socket } from "node:net";
import { makeFifo } from "../../linux/index.ts";

const TOKEN = 8;

/** Calls `onEnd` with each token in hex. The FIFO is open for reading and writing, so that it never reaches end of file. */
export function listenForExits(path: string, onEnd: (token: string) => void): Socket {
  makeFifo(path, 0o600);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const socket = new Socket({ fd, readable: true, writable: false });
  let rest = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= TOKEN) {
      onEnd(rest.toString("hex", 0, TOKEN));
      rest = rest.subarray(TOKEN);
    }
  });
  socket.on("error", () => {});
  return socket;
}
