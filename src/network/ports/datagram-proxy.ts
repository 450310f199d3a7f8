/**
 * A published UDP port: the socket that holds it, and the proxy for IPv6 datagrams, which no rule can redirect to a
 * container's IPv4 address. Each client has its own socket towards the container, so that replies find their way back.
 */

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { hasCode } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { bindSocket } from "../../linux/index.ts";
import type { PublishedPort } from "../model/network.ts";
import type { KeptSockets } from "./kept-sockets.ts";

/** Milliseconds; the kernel forgets a UDP conversation after the same time. */
const IDLE_TIME = 120_000;
const MAX_CLIENTS = LIMITS.ports.udpClients;

interface Conversation {
  upstream: Socket;
  timer: NodeJS.Timeout;
}

/** Binds the port on its address, or on all addresses of both IP versions. Rejects with EADDRINUSE and similar errors. */
export async function bindDatagrams(
  port: PublishedPort,
  current: () => PublishedPort,
  kept: KeptSockets,
): Promise<{ close(): void }> {
  const { hostAddress, hostPort } = port;
  if (hostAddress.includes(":")) return proxy(await bind("udp6", hostPort, hostAddress, kept), current);
  const held = await bind("udp4", hostPort, hostAddress || "0.0.0.0", kept);
  if (hostAddress !== "") return { close: held.close };
  try {
    const both = proxy(await bind("udp6", hostPort, "::", kept), current);
    return {
      close: () => {
        held.close();
        both.close();
      },
    };
  } catch (error) {
    if (hasCode(error, "EAFNOSUPPORT", "EADDRNOTAVAIL")) return { close: held.close };
    held.close();
    throw error;
  }
}

interface Bound {
  socket: Socket;
  close: () => void;
}

/** Takes over a socket from an earlier bayd, or binds a new one. */
async function bind(type: "udp4" | "udp6", port: number, address: string, kept: KeptSockets): Promise<Bound> {
  const name = `${type} ${address} ${port}`;
  const fd = kept.take(name) ?? bindSocket("udp", address, port, { v6Only: type === "udp6" }).fd;
  const socket = createSocket(type);
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ fd }, resolve);
  });
  socket.removeAllListeners("error");
  socket.on("error", () => {}); // an error of one datagram is no reason to release the port
  kept.keep(name, fd);
  return {
    socket,
    close: () => {
      kept.drop(name);
      socket.close();
    },
  };
}

function proxy({ socket: front, close }: Bound, current: () => PublishedPort): { close(): void } {
  const conversations = new Map<string, Conversation>();
  const end = (key: string) => {
    const conversation = conversations.get(key);
    if (!conversation) return;
    conversations.delete(key);
    clearTimeout(conversation.timer);
    conversation.upstream.close();
  };
  const begin = (key: string, client: RemoteInfo): Conversation => {
    const [oldest] = conversations.keys();
    if (conversations.size >= MAX_CLIENTS && oldest !== undefined) end(oldest);
    const upstream = createSocket("udp4");
    upstream.on("message", (bytes) => front.send(bytes, client.port, client.address));
    upstream.on("error", () => end(key));
    const timer = setTimeout(() => end(key), IDLE_TIME);
    timer.unref();
    const conversation = { upstream, timer };
    conversations.set(key, conversation);
    return conversation;
  };
  front.on("message", (bytes, client) => {
    const key = `${client.address} ${client.port}`;
    const { upstream, timer } = conversations.get(key) ?? begin(key, client);
    timer.refresh();
    const { target, containerPort } = current();
    upstream.send(bytes, containerPort, target);
  });
  return {
    close: () => {
      for (const key of [...conversations.keys()]) end(key);
      close();
    },
  };
}
