/**
 * Lets an HTTP server of bayd listen on TCP with TLS 1.3 and client certificates, beside its unix socket. Several can share one
 * server, each with a separate authority.
 */
import type { Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { createServer, type PeerCertificate, type TLSSocket, type TlsOptions } from "node:tls";
import { BayError, messageOf } from "../../core/errors.ts";
import { HANDSHAKE_TIMEOUT, TLS_SERVER } from "../../core/tls-server.ts";
import { certificateProblem } from "../transport/tls-problems.ts";
import { endSocket, KEEPALIVE } from "./connections.ts";
import { markPeer } from "./peers.ts";
import { PendingClients } from "./pending-clients.ts";
import { rawAnswer } from "./raw-answer.ts";

/** PEM texts. */
export interface TlsIdentity {
  key: string;
  cert: string;
  /** The authorities that sign the certificates of clients; undefined if no certificate is requested. */
  ca: string | undefined;
}

export interface ListenTlsOptions extends TlsIdentity {
  /** An address of this host; 0.0.0.0 or :: for all. */
  address: string;
  /** 0 for any free port. */
  port: number;
  maxConnections: number;
  /** Milliseconds for a handshake; 10 s by default. */
  handshakeTimeout?: number;
  /** Called for each new connection and at each `recheck`, with a certificate that the authority has signed. */
  isAllowed?: (certificate: PeerCertificate) => boolean;
  /** Paths that clients without a certificate may request; without them, such clients are refused. */
  anonymousPaths?: readonly string[];
}

export interface TlsListener {
  readonly port: number;
  /** The certificates for new connections. Existing ones are closed if the authority has changed. Throws BAD_CERTIFICATE. */
  renew(identity: TlsIdentity): void;
  /** Closes the connections whose certificate is not allowed any more, or has expired. */
  recheck(): void;
  /** Stops to listen, and closes all connections. */
  close(): Promise<void>;
}

/** Milliseconds between checks for certificates that have expired on open connections. */
const RECHECK_INTERVAL = 60_000;

/** Starts to listen; requests are emitted by `server`. Throws BAD_CERTIFICATE, or the error of listen(2). */
export async function listenTls(server: Server, options: ListenTlsOptions): Promise<TlsListener> {
  const listener = new Listener(server, options);
  await listener.listen();
  return listener;
}

class Listener implements TlsListener {
  readonly #tls;
  readonly #pending = new PendingClients();
  /** Connections that may send requests. */
  readonly #open = new Set<TLSSocket>();
  readonly #raw = new Map<string, Socket>();
  readonly #timer: NodeJS.Timeout;
  #ca: string | undefined;

  constructor(
    readonly server: Server,
    readonly options: ListenTlsOptions,
  ) {
    const { key, cert, ca, handshakeTimeout = HANDSHAKE_TIMEOUT } = options;
    this.#ca = ca;
    this.#tls = readable(() =>
      createServer({
        ...TLS_SERVER,
        handshakeTimeout,
        ...identityOf({ key, cert, ca }),
      }),
    );
    this.#tls.maxConnections = options.maxConnections;
    this.#tls.on("connection", (socket: Socket) => {
      const place = placeOf(socket);
      this.#raw.set(place, socket);
      socket.once("close", () => this.#raw.delete(place));
      // without it, a client whose host disappeared would stay connected
      socket.setKeepAlive(true, KEEPALIVE);
      socket.setNoDelay(true);
      this.#pending.add(socket);
    });
    this.#tls.on("tlsClientError", (_error, socket) => socket.destroy());
    this.#tls.on("secureConnection", (socket) => this.#admit(socket));
    this.#timer = setInterval(() => this.recheck(), RECHECK_INTERVAL).unref();
  }

  get port(): number {
    return (this.#tls.address() as AddressInfo).port;
  }

  listen(): Promise<void> {
    const { address, port } = this.options;
    return new Promise((resolve, reject) => {
      this.#tls.once("error", (error) => {
        clearInterval(this.#timer);
        reject(error);
      });
      this.#tls.listen({ host: address, port }, () => {
        this.#tls.removeAllListeners("error").on("error", () => {}); // accept(2) failed: the next one may succeed
        resolve();
      });
    });
  }

  #admit(socket: TLSSocket): void {
    socket.on("error", () => socket.destroy());
    const problem = this.#problemOf(socket);
    if (problem !== undefined) return refuse(socket, problem);
    const raw = this.#raw.get(placeOf(socket));
    if (raw) this.#pending.release(raw);
    this.#open.add(socket);
    socket.once("close", () => this.#open.delete(socket));
    const certificate = certificateOf(socket);
    if (certificate) markPeer(socket, { kind: "certificate", certificate });
    else if (this.#ca !== undefined)
      markPeer(socket, { kind: "anonymous", paths: this.options.anonymousPaths ?? [] });
    else markPeer(socket, { kind: "plain" });
    this.server.emit("connection", socket);
  }

  /** Why a client may not send requests; undefined if it may. */
  #problemOf(socket: TLSSocket): string | undefined {
    if (this.#ca === undefined) return undefined;
    const certificate = certificateOf(socket);
    if (certificate === undefined)
      return this.options.anonymousPaths ? undefined : "bayd requires a client certificate";
    if (!socket.authorized) {
      const code = String(socket.authorizationError);
      return `the client certificate of ${nameOf(certificate)} ${certificateProblem(code) ?? `is not accepted: ${code}`}`;
    }
    if (hasExpired(certificate)) return `the client certificate of ${nameOf(certificate)} has expired`;
    if (this.options.isAllowed?.(certificate) === false)
      return `the client certificate of ${nameOf(certificate)} is no longer allowed`;
    return undefined;
  }

  renew(identity: TlsIdentity): void {
    readable(() => this.#tls.setSecureContext({ ...TLS_SERVER, ...identityOf(identity) }));
    if (identity.ca === this.#ca) return;
    this.#ca = identity.ca;
    // they were checked against the earlier authority
    for (const socket of this.#open) socket.destroy();
  }

  recheck(): void {
    for (const socket of this.#open) if (this.#problemOf(socket) !== undefined) socket.destroy();
  }

  close(): Promise<void> {
    clearInterval(this.#timer);
    return new Promise((resolve) => {
      this.#tls.close(() => resolve());
      for (const socket of this.#raw.values()) socket.destroy();
    });
  }
}

const placeOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

const identityOf = ({ key, cert, ca }: TlsIdentity): TlsOptions =>
  ca === undefined ? { key, cert, requestCert: false } : { key, cert, ca };

/** Node gives an empty object for a client without a certificate, and none for a closed connection. */
function certificateOf(socket: TLSSocket): PeerCertificate | undefined {
  const certificate = socket.getPeerCertificate() as PeerCertificate | undefined;
  return certificate?.raw ? certificate : undefined;
}

const hasExpired = ({ valid_to }: PeerCertificate): boolean => Date.parse(valid_to) < Date.now();

const nameOf = ({ subject, serialNumber }: PeerCertificate): string =>
  JSON.stringify(String(subject?.CN ?? serialNumber).slice(0, 200));

/** Throws BAD_CERTIFICATE if OpenSSL cannot use the certificates. */
function readable<T>(action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw new BayError(
      "BAD_CERTIFICATE",
      `the certificate, the key or the authority cannot be used: ${messageOf(cause)}`,
      {
        cause,
        hint: "expected PEM files, a key that belongs to the certificate, and a key without a password",
      },
    );
  }
}

/** Milliseconds for the request of a client that is refused, and for the answer. */
const REFUSAL_TIME = 5000;

/** Answers whatever the client sends first with the reason; none of it is parsed. */
function refuse(socket: TLSSocket, reason: string): void {
  const timer = setTimeout(() => socket.destroy(), REFUSAL_TIME);
  socket.once("close", () => clearTimeout(timer));
  // an answer before the request would be unexpected for the client
  socket.once("data", () => {
    socket.write(rawAnswer(new BayError("NO_ACCESS", reason, { hint: "see docs/remote.md" })));
    endSocket(socket);
    socket.resume();
  });
}
