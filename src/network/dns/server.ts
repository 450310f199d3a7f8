/**
 * The DNS server of one container, at 127.0.0.11 inside its network namespace. The sockets are on high ports there, and a
 * rule in that namespace redirects port 53 to them, so that an image may run a DNS server itself.
 *
 * A container is hostile: its questions are parsed in bounded time, their rate is limited, and the kernel drops the rest
 * before bayd sees it.
 */

import { createSocket, type Socket } from "node:dgram";
import { createServer, type Server } from "node:net";
import { LIMITS } from "../../core/limits.ts";
import { bindSocket, inNamespace, nft } from "../../linux/index.ts";
import { answerQuestion, type NameView } from "./answer.ts";
import { fitDatagram, parseQuery, RCODES, replyTo } from "./message.ts";
import { openQuestions } from "./open-questions.ts";
import { RateLimit } from "./rate-limit.ts";
import { serveTcp } from "./tcp-session.ts";
import { askUpstream, overTcp, overUdp } from "./upstream.ts";

export const DNS_ADDRESS = "127.0.0.11";
/** The most questions of one container per second, and in a burst. */
export const DNS_RATE = { perSecond: LIMITS.dns.perSecond, burst: LIMITS.dns.perSecond } as const;
const MAX_CONNECTIONS = LIMITS.dns.connections;
const CONNECTIONS_PER_SECOND = LIMITS.dns.connectionsPerSecond;

/** The descriptors of the server's sockets. */
export interface DnsSockets {
  udp: number;
  tcp: number;
}

export class ContainerDns {
  readonly #udp: Socket;
  readonly #tcp: Server;
  readonly #rate = new RateLimit(DNS_RATE.perSecond, DNS_RATE.burst);
  #turn = 0;
  readonly #questions = openQuestions.client();

  /** Serves on the sockets, which belong to the server from now on. */
  constructor(
    readonly sockets: DnsSockets,
    readonly view: NameView,
    readonly upstreams: () => string[],
  ) {
    this.#udp = createSocket("udp4");
    this.#udp.on("error", () => {});
    this.#udp.on("message", (message, peer) => {
      if (!this.#rate.take()) return;
      this.#resolve(message, "udp").then(
        (answer) => answer && this.#udp.send(answer, peer.port, peer.address, () => {}),
        () => {},
      );
    });
    this.#udp.bind({ fd: sockets.udp });
    this.#tcp = createServer({ allowHalfOpen: true }, (socket) =>
      serveTcp(socket, {
        resolve: (message) => this.#resolve(message, "tcp"),
        mayAsk: () => this.#rate.take(),
      }),
    );
    this.#tcp.maxConnections = MAX_CONNECTIONS;
    this.#tcp.on("error", () => {});
    this.#tcp.listen({ fd: sockets.tcp });
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
    const question = parseQuery(message);
    if ("reply" in question) return question.reply;
    const sized = (reply: Buffer) => (transport === "udp" ? fitDatagram(question, reply) : reply);
    const own = answerQuestion(question, this.view, () => this.#turn++);
    if (own) return sized(own);
    const failure = replyTo(question, { rcode: RCODES.SERVFAIL });
    if (!this.#questions.begin()) return failure;
    try {
      const send = transport === "udp" ? overUdp : overTcp;
      const answer = await askUpstream(message, question, this.upstreams(), send);
      return answer ? sized(answer) : failure;
    } finally {
      this.#questions.end();
    }
  }
}

/** Opens the sockets in the namespace and redirects port 53 to them. `isFresh`: the namespace has no rules yet. */
export function openDns(namespaceFile: string, isFresh: boolean): DnsSockets {
  return inNamespace(namespaceFile, () => {
    const udp = bindSocket("udp", DNS_ADDRESS);
    const tcp = bindSocket("tcp", DNS_ADDRESS);
    nft(rules(udp.port, tcp.port, isFresh));
    return { udp: udp.fd, tcp: tcp.fd };
  });
}

function rules(udpPort: number, tcpPort: number, isFresh: boolean): string {
  return [
    // a deletion waits about 14 ms for the kernel's grace period, so it is omitted if there is nothing to delete
    ...(isFresh ? [] : ["add table ip bay_dns", "delete table ip bay_dns"]),
    "table ip bay_dns {",
    "chain output { type nat hook output priority -100;",
    `  ip daddr ${DNS_ADDRESS} udp dport 53 dnat to ${DNS_ADDRESS}:${udpPort}`,
    `  ip daddr ${DNS_ADDRESS} tcp dport 53 dnat to ${DNS_ADDRESS}:${tcpPort}`,
    "}",
    // after the redirect: questions over the limit cost bayd nothing
    "chain rate { type filter hook output priority 0;",
    `  ip daddr ${DNS_ADDRESS} udp dport ${udpPort} limit rate over ${DNS_RATE.perSecond}/second burst ${DNS_RATE.burst} packets drop`,
    `  ip daddr ${DNS_ADDRESS} tcp dport ${tcpPort} ct state new limit rate over ${CONNECTIONS_PER_SECOND}/second burst ${CONNECTIONS_PER_SECOND} packets drop`,
    "}",
    "}\n",
  ].join("\n");
}
