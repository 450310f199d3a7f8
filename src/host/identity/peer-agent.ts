/** Connections to other hosts: TLS 1.3 with this host's certificate, to exactly the member that is meant. */

import { X509Certificate } from "node:crypto";
import type { ClientRequest, RequestOptions } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { connect, type TLSSocket } from "node:tls";
import { BayError } from "../../core/errors.ts";
import { digestOf } from "../membership/invitations.ts";
import type { Member } from "../model/member.ts";
import type { Identity } from "./identity-files.ts";
import { isOf } from "./peer-listener.ts";

const CONNECT_TIMEOUT = 2000;

/** The options of a connection to a member. */
export const peerOptions = (identity: Identity, member: Member) => ({
  host: member.address,
  port: member.port,
  key: identity.key,
  cert: identity.certificate,
  ca: identity.authority,
  minVersion: "TLSv1.3" as const,
  servername: "",
  allowHalfOpen: true,
  checkServerIdentity: (_host: string, { raw }: { raw: Buffer }) =>
    isOf(member, new X509Certificate(raw))
      ? undefined
      : new BayError(
          "UNKNOWN_AUTHORITY",
          `${member.address} does not have the certificate of the host ${member.name}`,
        ),
});

/** Requests to members, on connections that are reused. */
export class PeerAgent {
  readonly #agents = new Map<string, { agent: Agent; key: string }>();

  request(identity: Identity, member: Member, options: RequestOptions): ClientRequest {
    const call = httpsRequest({
      ...options,
      ...peerOptions(identity, member),
      agent: this.#agentOf(identity, member),
    });
    const timer = setTimeout(
      () => call.destroy(unreachable(member, "it did not accept a connection")),
      CONNECT_TIMEOUT,
    );
    call.once("socket", (socket) => {
      const connected = () => clearTimeout(timer);
      if (!socket.connecting) connected();
      else socket.once("secureConnect", connected).once("close", connected);
    });
    call.once("close", () => clearTimeout(timer));
    return call;
  }

  #agentOf(identity: Identity, member: Member): Agent {
    const key = [member.address, member.port, member.validFrom, identity.certificate].join();
    const known = this.#agents.get(member.id);
    if (known?.key === key) return known.agent;
    known?.agent.destroy();
    // in a resumed session the other host would not see this one's certificate
    const agent = new Agent({ keepAlive: true, maxSockets: 64, timeout: 0, maxCachedSessions: 0 });
    this.#agents.set(member.id, { agent, key });
    return agent;
  }

  /** Closes idle connections to hosts that are no longer members. */
  keepOnly(members: readonly Member[]): void {
    for (const [id, { agent }] of this.#agents) {
      if (members.some((member) => member.id === id)) continue;
      agent.destroy();
      this.#agents.delete(id);
    }
  }

  close(): void {
    this.keepOnly([]);
  }
}

/** A connection to a member, complete with its handshake. Throws HOST_UNREACHABLE. */
export function connectToPeer(identity: Identity, member: Member): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect(peerOptions(identity, member));
    const fail = (cause: Error) => {
      socket.destroy();
      reject(unreachable(member, cause.message, cause));
    };
    socket.setTimeout(CONNECT_TIMEOUT, () => fail(new Error("it did not accept a connection")));
    socket.once("error", fail);
    socket.once("secureConnect", () => {
      socket.setTimeout(0);
      socket.off("error", fail);
      resolve(socket);
    });
  });
}

export const unreachable = (
  member: Pick<Member, "name" | "address">,
  why: string,
  cause?: unknown,
): BayError =>
  new BayError("HOST_UNREACHABLE", `the host ${member.name} (${member.address}) does not answer: ${why}`, {
    cause,
  });

/**
 * Asks a host of a cluster that this host does not know yet. Its authority must have the digest of the token. Resolves with the
 * answer and the local address of the connection. Throws HOST_UNREACHABLE, UNKNOWN_AUTHORITY.
 */
export function askStranger(
  { address, port, authorityDigest }: { address: string; port: number; authorityDigest: string },
  makeBody: (localAddress: string) => Promise<string>,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) =>
      reject(
        cause instanceof BayError
          ? cause
          : unreachable({ name: address, address: `port ${port}` }, cause.message, cause),
      );
    // the certificate is checked below: its authority is known by its digest only
    const socket = connect({
      host: address,
      port,
      minVersion: "TLSv1.3",
      servername: "",
      rejectUnauthorized: false,
    });
    socket.setTimeout(15_000, () => socket.destroy(new Error("no answer within 15 s")));
    socket.once("error", fail);
    socket.once("secureConnect", () => {
      if (!hasAuthority(socket.getPeerX509Certificate(), authorityDigest))
        return void socket.destroy(
          new BayError(
            "UNKNOWN_AUTHORITY",
            `the host at ${address} does not belong to the cluster of the token`,
          ),
        );
      makeBody(plainAddress(socket.localAddress ?? "")).then((body) => {
        const call = httpsRequest({
          createConnection: () => socket,
          method: "POST",
          path: "/bay/v1/host/join",
          headers: {
            "content-type": "application/json",
            "content-length": Buffer.byteLength(body),
            host: "bay",
          },
        });
        call.once("error", fail);
        call.once("response", (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (part: string) => {
            text += part;
            if (text.length > 8 << 20) response.destroy(new Error("the answer is too large"));
          });
          response.once("error", fail);
          response.once("end", () => {
            socket.destroy();
            resolve({ status: response.statusCode ?? 0, text });
          });
        });
        call.end(body);
      }, fail);
    });
  });
}

/** An IPv4 address of a socket that listens on both versions, without its prefix. */
const plainAddress = (address: string) => address.replace(/^::ffff:/, "");

type PeerCertificate = ReturnType<import("node:tls").TLSSocket["getPeerX509Certificate"]>;

/** Whether a certificate, or one in its chain, is the authority's, and the leaf was signed by it. */
function hasAuthority(leaf: PeerCertificate, digest: string): boolean {
  const issuer = leaf?.issuerCertificate;
  if (!leaf || !issuer) return false;
  return digestOf(issuer.toString()) === digest && leaf.verify(issuer.publicKey);
}
