/** Who sent a request: a client of the unix socket, of a plain TCP port, or one with or without a certificate. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { PeerCertificate } from "node:tls";
import { BayError } from "../../core/errors.ts";
import { isLoopback } from "../../core/host-address.ts";

export type Peer =
  | { kind: "certificate"; certificate: PeerCertificate }
  /** A TLS client without a certificate, which may only use these paths. */
  | { kind: "anonymous"; paths: readonly string[] }
  /** A host of the cluster. */
  | { kind: "member" }
  /** A client of a plain TCP port on the loopback interface. */
  | { kind: "plain" };

/** Connections that did not come by a unix socket. */
const peers = new WeakMap<Duplex, Peer>();

export function markPeer(socket: Duplex, peer: Peer): void {
  peers.set(socket, peer);
}

/** The client of a request; undefined for a client of a unix socket. */
export const peerOf = ({ socket }: Pick<IncomingMessage, "socket">): Peer | undefined => peers.get(socket);

/** The certificate of the client, which was checked; undefined if it has none. */
export function certificateOf(request: Pick<IncomingMessage, "socket">): PeerCertificate | undefined {
  const peer = peerOf(request);
  return peer?.kind === "certificate" ? peer.certificate : undefined;
}

/** Refuses what this client may not request, before anything else is looked at. Throws NO_ACCESS. */
export function checkPeer(request: IncomingMessage): void {
  const peer = peerOf(request);
  if (peer === undefined || peer.kind === "certificate" || peer.kind === "member") return;
  const path = (request.url ?? "").split("?", 1)[0]!;
  if (peer.kind === "anonymous") {
    if (peer.paths.includes(path)) return;
    throw new BayError("NO_ACCESS", "bayd requires a client certificate", {
      hint: "use --tlscert and --tlskey, or DOCKER_CERT_PATH",
    });
  }
  if (isFromBrowser(request))
    throw new BayError("NO_ACCESS", "requests from web pages are not allowed", {
      hint: "use a client program; with tlsverify, bayd accepts only clients that have a certificate",
    });
}

/**
 * A web page can send requests to 127.0.0.1. A browser then sends Origin, or, after the page's name was pointed to 127.0.0.1
 * (DNS rebinding), the name of the page as Host.
 */
function isFromBrowser({ headers }: IncomingMessage): boolean {
  if (headers.origin !== undefined || headers["sec-fetch-site"] !== undefined) return true;
  const host = (headers.host ?? "").replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  // clients of a unix socket send any name, and those of HTTP/1.0 none
  return host !== "" && !isLoopback(host) && /[.:]/.test(host);
}
