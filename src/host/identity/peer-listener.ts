/**
 * The TCP listener for other hosts: TLS 1.3, and a certificate of the cluster's authority on both sides. A connection of a
 * member is served by bayd's server; one without such a certificate may only ask to join.
 */
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { BayError, messageOf } from "../../core/errors.ts";
import type { Member } from "../model/member.ts";
import type { Identity } from "./identity-files.ts";

const HANDSHAKE_TIMEOUT = 10_000;
const MAX_CONNECTIONS = 4096;
/** Connections of strangers at a time. */
const MAX_STRANGERS = 64;
const STRANGER_TIME = 30_000;

export interface ListenerOptions {
  members: () => readonly Member[];
  /** Serves a member's connection. */
  serve: (socket: Socket, member: Member) => void;
  /** Serves the requests of others. */
  join: Parameters<typeof createHttpServer>[1] & {};
  warn: (text: string) => void;
}

export class PeerListener {
  #server: Server | undefined;
  #port: number | undefined;
  readonly #strangers: HttpServer;
  readonly #open = new Map<TLSSocket, string>();

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
      ...contextOf(identity),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT,
    });
    server.maxConnections = MAX_CONNECTIONS;
    server.on("secureConnection", (socket) => this.#take(socket));
    server.on("tlsClientError", () => {});
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
    const member = memberOf(socket, this.options.members());
    if (member) {
      this.#open.set(socket, fingerprint(socket));
      socket.once("close", () => this.#open.delete(socket));
      this.options.serve(socket, member);
      return;
    }
    const strangers = [...this.#open.values()].filter((each) => each === "").length;
    if (strangers >= MAX_STRANGERS) return void socket.destroy();
    this.#open.set(socket, "");
    socket.once("close", () => this.#open.delete(socket));
    setTimeout(() => socket.destroy(), STRANGER_TIME).unref();
    this.#strangers.emit("connection", socket);
  }

  /** Ends the connections of hosts that are no longer members. */
  enforce(): void {
    const valid = new Set(this.options.members().flatMap(({ certificates }) => certificates));
    for (const [socket, certificate] of this.#open)
      if (certificate !== "" && !valid.has(certificate)) socket.destroy();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#open.keys()) socket.destroy();
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

const contextOf = ({ key, certificate, authority }: Identity) => ({
  key,
  // with the authority's own, whose digest a joining host compares with its token
  cert: `${certificate}\n${authority}`,
  ca: authority,
  minVersion: "TLSv1.3" as const,
});

const fingerprint = (socket: TLSSocket): string => socket.getPeerX509Certificate()?.fingerprint256 ?? "";

/** The member with the certificate of a connection, if the authority issued it and the list has it. */
export function memberOf(socket: TLSSocket, members: readonly Member[]): Member | undefined {
  if (!socket.authorized) return undefined;
  const own = fingerprint(socket);
  return members.find(({ certificates }) => certificates.includes(own));
}
