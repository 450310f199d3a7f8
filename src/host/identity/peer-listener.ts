/**
 * The TCP listener for other hosts: TLS 1.3, and a certificate of the cluster's authority on both sides. A connection of a
 * member is served by bayd's server; one without such a certificate may only ask to join.
 */
import type { X509Certificate } from "node:crypto";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { BayError, messageOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { HANDSHAKE_TIMEOUT, TLS_SERVER } from "../../core/tls-server.ts";
import type { Member } from "../model/member.ts";
import type { Identity } from "./identity-files.ts";

/** Connections without a certificate of a member, at the same time, and those of one address. */
export const STRANGER_LIMITS = {
  all: LIMITS.cluster.strangers,
  ofAddress: LIMITS.cluster.strangersOfAddress,
} as const;
const STRANGER_TIME = LIMITS.cluster.strangerTime;
/** Milliseconds of silence after which the kernel checks whether the other host still exists. */
const KEEPALIVE = 15_000;

export interface ListenerOptions {
  members: () => readonly Member[];
  /** Serves a member's connection. */
  serve: (socket: Socket, member: Member) => void;
  /** Serves the requests of others. */
  join: Parameters<typeof createHttpServer>[1] & {};
  /** The most connections at the same time. */
  maxConnections: number;
  /** Limits connections without a complete handshake. */
  pending: { add(socket: Socket): void; release(socket: Socket): void };
  warn: (text: string) => void;
}

export class PeerListener {
  #server: Server | undefined;
  #port: number | undefined;
  readonly #strangers: HttpServer;
  /** All connections by the address and port of the client, also those whose handshake is not complete. */
  readonly #connections = new Map<string, Socket>();
  /** Connections of members. */
  readonly #open = new Set<TLSSocket>();
  readonly #joining = new Set<TLSSocket>();

  constructor(readonly options: ListenerOptions) {
    this.#strangers = createHttpServer(
      {
        headersTimeout: STRANGER_TIME,
        requestTimeout: STRANGER_TIME,
        keepAliveTimeout: 1,
        maxHeaderSize: 8192,
        connectionsCheckingInterval: 5000,
      },
      options.join,
    );
  }

  /** Listens, or takes over another certificate or port. Throws PORT_TAKEN. */
  async start(identity: Identity, port: number): Promise<void> {
    if (this.#server && this.#port === port) {
      this.#server.setSecureContext(contextOf(identity));
      return;
    }
    await this.stop();
    const server = createServer({
      ...TLS_SERVER,
      ...contextOf(identity),
      handshakeTimeout: HANDSHAKE_TIMEOUT,
    });
    server.maxConnections = this.options.maxConnections;
    server.on("connection", (socket) => {
      const place = placeOf(socket);
      this.#connections.set(place, socket);
      socket.once("close", () => this.#connections.delete(place));
      // without it, a client whose host disappeared would stay connected
      socket.setKeepAlive(true, KEEPALIVE);
      this.options.pending.add(socket);
    });
    server.on("secureConnection", (socket) => this.#take(socket));
    server.on("tlsClientError", (_error, socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause) =>
        reject(
          new BayError("PORT_TAKEN", `bayd cannot listen on the TCP port ${port}: ${messageOf(cause)}`, {
            cause,
            hint: "stop the program that uses it, or set another one with --port",
          }),
        ),
      );
      server.listen(port, "::", () => resolve());
    });
    server.on("error", (error) => this.options.warn(`the listener for other hosts: ${messageOf(error)}`));
    this.#server = server;
    this.#port = port;
  }

  #take(socket: TLSSocket): void {
    socket.on("error", () => socket.destroy());
    const raw = this.#connections.get(placeOf(socket));
    if (raw) this.options.pending.release(raw);
    const member = memberOf(socket, this.options.members());
    if (member) {
      keep(this.#open, socket);
      return this.options.serve(socket, member);
    }
    keep(this.#joining, socket);
    this.#endOldStrangers(socket);
    const timer = setTimeout(() => socket.destroy(), STRANGER_TIME).unref();
    socket.once("close", () => clearTimeout(timer));
    this.#strangers.emit("connection", socket);
  }

  /** The oldest one ends, so that a client that keeps its connections open does not prevent others from joining. */
  #endOldStrangers({ remoteAddress }: TLSSocket): void {
    const own = [...this.#joining].filter((other) => other.remoteAddress === remoteAddress);
    if (own.length > STRANGER_LIMITS.ofAddress) own[0]!.destroy();
    else if (this.#joining.size > STRANGER_LIMITS.all) this.#joining.values().next().value!.destroy();
  }

  /** Ends the connections of hosts that are no longer members, and of earlier certificates. */
  enforce(): void {
    const members = this.options.members();
    for (const socket of this.#open) if (!memberOf(socket, members)) socket.destroy();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#connections.values()) socket.destroy();
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

const contextOf = ({ key, certificate, authority }: Identity) => ({
  key,
  // with the authority's own, whose digest a joining host compares with its token
  cert: `${certificate}\n${authority}`,
  ca: authority,
  minVersion: TLS_SERVER.minVersion,
  secureOptions: TLS_SERVER.secureOptions,
});

const placeOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

function keep<S extends Socket>(set: Set<S>, socket: S): void {
  set.add(socket);
  socket.once("close", () => set.delete(socket));
}

/** The member with the certificate of a connection, if the authority issued it and the list has the host. */
function memberOf(socket: TLSSocket, members: readonly Member[]): Member | undefined {
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  return certificate && members.find((member) => isOf(member, certificate));
}

/** Whether a certificate of the authority is one of this member's that still count. */
export const isOf = (
  { id, validFrom }: Pick<Member, "id" | "validFrom">,
  certificate: Pick<X509Certificate, "subject" | "validFrom">,
): boolean => certificate.subject === `CN=${id}` && Date.parse(certificate.validFrom) >= validFrom;
