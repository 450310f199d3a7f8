/** Lets an HTTP server of bayd listen on more unix sockets, and on plain TCP ports of the loopback interface. */
import { chmodSync, chownSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { createServer, type Server as NetServer, type Socket } from "node:net";
import { groupId } from "../process/socket-group.ts";
import { KEEPALIVE } from "./connections.ts";
import { markPeer } from "./peers.ts";

export interface PlainListener {
  /** Stops to listen, and closes all connections. */
  close(): Promise<void>;
}

/** Listens on another socket file, with the mode and group of bayd's own. Throws the error of listen(2). */
export async function listenSocket(
  server: Server,
  options: { path: string; group: string | undefined; maxConnections: number },
): Promise<PlainListener> {
  const { path, group } = options;
  const listener = openOn(server, options.maxConnections, () => {});
  rmSync(path, { force: true });
  const umask = process.umask(0o177);
  try {
    await started(listener.net, { path });
  } finally {
    process.umask(umask);
  }
  if (group) chownSync(path, 0, groupId(group));
  chmodSync(path, 0o660);
  return listener;
}

/** Listens on a port of a loopback address. Throws the error of listen(2). */
export async function listenPlain(
  server: Server,
  { host, port, maxConnections }: { host: string; port: number; maxConnections: number },
): Promise<PlainListener> {
  const listener = openOn(server, maxConnections, (socket) => {
    markPeer(socket, { kind: "plain" });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE);
  });
  await started(listener.net, { host, port });
  return listener;
}

function openOn(
  server: Server,
  maxConnections: number,
  prepare: (socket: Socket) => void,
): PlainListener & { net: NetServer } {
  const open = new Set<Socket>();
  const net = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    prepare(socket);
    server.emit("connection", socket);
  });
  net.maxConnections = maxConnections;
  const close = () =>
    new Promise<void>((resolve) => {
      net.close(() => resolve());
      for (const socket of open) socket.destroy();
    });
  return { net, close };
}

function started(net: NetServer, place: { path: string } | { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    net.once("error", reject);
    net.listen(place, () => {
      net.off("error", reject).on("error", () => {}); // accept(2) failed: the next one may succeed
      resolve();
    });
  });
}
