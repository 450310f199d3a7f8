/** Accepts WebSockets (RFC 6455) for attach/ws of the Docker Engine API. */
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocketServer } from "ws";
import { BayError } from "../../../core/errors.ts";
import { markTaken } from "../connections.ts";
import type { Hijack } from "../routing.ts";

/** The most bytes of one message of a client. */
const MAX_MESSAGE = 1 << 20;

let acceptor: WebSocketServer | undefined;

/** Completes the handshake; the result has the bytes of the messages. Throws BAD_REQUEST. */
export function acceptWebSocket({ request, socket, upgraded }: Hijack): Promise<Duplex> {
  const { upgrade = "", "sec-websocket-key": key = "", "sec-websocket-version": version } = request.headers;
  // the library would answer by itself, and not in Docker's format
  const isHandshake = upgraded && upgrade.toLowerCase() === "websocket" && /^[+/0-9A-Za-z]{22}==$/.test(key);
  if (!isHandshake || (version !== "13" && version !== "8"))
    throw new BayError("BAD_REQUEST", "expected the handshake of a WebSocket, version 13");
  acceptor ??= new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE, perMessageDeflate: false });
  const server = acceptor;
  markTaken(socket);
  return new Promise((resolve, reject) => {
    socket.once("close", () => reject(new BayError("BAD_REQUEST", "the client closed the connection")));
    server.handleUpgrade(request, socket, Buffer.alloc(0), (client) => {
      const stream = createWebSocketStream(client);
      stream.on("error", () => client.terminate());
      resolve(stream);
    });
  });
}
