/**
 * The DNS server of one container, at 127.0.0.11 inside its network namespace. The sockets are on high ports
 * there, and a rule in that namespace leads port 53 to them, so that an image may serve DNS itself.
 */
import { createSocket, type Socket } from "node:dgram";
import { connect, createServer, type Server } from "node:net";
import { decode } from "dns-packet";
import { bindSocket, inNamespace, nft } from "../../linux/index.ts";
import { answerQuestion, failure, type NameView } from "./answer.ts";

export const DNS_ADDRESS = "127.0.0.11";
const UPSTREAM_TIMEOUT = 3000;
/** Bounds on what one container can make bayd hold. */
const MAX_BUFFERED = 128 << 10;
const MAX_CONNECTIONS = 16;
const MAX_FORWARDING = 256;

export class ContainerDns {
  readonly #udp: Socket;
  readonly #tcp: Server;
  #turn = 0;
  #forwarding = 0;

  /** Opens the sockets in the namespace and leads port 53 to them. */
  constructor(
    namespaceFile: string,
    readonly view: NameView,
    readonly upstreams: () => string[],
    isFresh: boolean,
  ) {
    const bound = inNamespace(namespaceFile, () => {
      const udp = bindSocket("udp", DNS_ADDRESS);
      const tcp = bindSocket("tcp", DNS_ADDRESS);
      nft(redirectRules(udp.port, tcp.port, isFresh));
      return { udp, tcp };
    });
    this.#udp = createSocket("udp4");
    this.#udp.on("error", () => {});
    this.#udp.on("message", (message, peer) => {
      this.#resolve(message, "udp").then(
        (answer) => answer && this.#udp.send(answer, peer.port, peer.address),
        () => {},
      );
    });
    this.#udp.bind({ fd: bound.udp.fd });
    this.#tcp = createServer((socket) => {
      let received = Buffer.alloc(0);
      socket.on("error", () => {});
      socket.setTimeout(10_000, () => socket.destroy());
      socket.on("data", (chunk) => {
        received = Buffer.concat([received, chunk]);
        if (received.length > MAX_BUFFERED) return socket.destroy();
        while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
          const message = received.subarray(2, 2 + received.readUInt16BE(0));
          received = received.subarray(2 + message.length);
          this.#resolve(message, "tcp").then(
            (answer) => answer && socket.write(framed(answer)),
            () => socket.destroy(),
          );
        }
      });
    });
    this.#tcp.maxConnections = MAX_CONNECTIONS;
    this.#tcp.on("error", () => {});
    this.#tcp.listen({ fd: bound.tcp.fd });
  }

  close(): void {
    try {
      this.#udp.close();
    } catch {
      // closed already
    }
    this.#tcp.close();
  }

  async #resolve(message: Buffer, transport: "udp" | "tcp"): Promise<Buffer | undefined> {
    const query = decode(message);
    const own = answerQuestion(query, this.view, () => this.#turn++);
    if (own) return own;
    if (this.#forwarding >= MAX_FORWARDING) return failure(query);
    this.#forwarding += 1;
    try {
      for (const upstream of this.upstreams()) {
        const answer = await (transport === "udp" ? askUdp(message, upstream) : askTcp(message, upstream));
        if (answer) return answer;
      }
      return failure(query);
    } finally {
      this.#forwarding -= 1;
    }
  }
}

function redirectRules(udpPort: number, tcpPort: number, isFresh: boolean): string {
  return [
    // deleting waits for the kernel's grace period, some 14 ms, so it is left out where there is nothing to delete
    ...(isFresh ? [] : ["add table ip bay_dns", "delete table ip bay_dns"]),
    "table ip bay_dns {",
    "chain output { type nat hook output priority -100;",
    `  ip daddr ${DNS_ADDRESS} udp dport 53 dnat to ${DNS_ADDRESS}:${udpPort}`,
    `  ip daddr ${DNS_ADDRESS} tcp dport 53 dnat to ${DNS_ADDRESS}:${tcpPort}`,
    "}",
    "}\n",
  ].join("\n");
}

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

function askUdp(message: Buffer, server: string): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(server.includes(":") ? "udp6" : "udp4");
    const finish = (answer: Buffer | undefined) => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(finish, UPSTREAM_TIMEOUT, undefined);
    socket.on("error", () => finish(undefined));
    // an answer from elsewhere, or to another question, is not ours
    socket.on(
      "message",
      (answer) => answer.length >= 12 && answer.readUInt16BE(0) === message.readUInt16BE(0) && finish(answer),
    );
    socket.connect(53, server, () => socket.send(message));
  });
}

function askTcp(message: Buffer, server: string): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect(53, server);
    let received = Buffer.alloc(0);
    const finish = (answer: Buffer | undefined) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(UPSTREAM_TIMEOUT, () => finish(undefined));
    socket.on("error", () => finish(undefined));
    socket.on("connect", () => socket.write(framed(message)));
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0))
        finish(received.subarray(2, 2 + received.readUInt16BE(0)));
    });
  });
}
