/**
 * The encrypted underlay: addresses inside WireGuard that take the place of the members' own in the tunnels of encrypted networks.
 * They follow from the members' slots. Pure.
 */
import type { Version } from "../../core/ip.ts";
import type { Underlay, UnderlayHost } from "./underlay.ts";

/** The UDP port of WireGuard on each host. */
export const WIREGUARD_PORT = 51_830;
/** Bytes of the outer IP, UDP and WireGuard headers with the authentication tag, rounded up as WireGuard's tools do. */
export const WIREGUARD_OVERHEAD: Readonly<Record<Version, number>> = { 4: 60, 6: 80 };
/** A prefix of unique local addresses (RFC 4193) for the inside of WireGuard. */
const PREFIX = "fd62:6179:7767::";

export const wireguardLink = (tag: string): string => `bw${tag}`;

/** The address of a host inside WireGuard; its prefix is /64. */
export const innerAddress = ({ slot }: Pick<UnderlayHost, "slot">): string =>
  `${PREFIX}${(slot + 1).toString(16)}`;

/** The underlay of encrypted networks: only members whose key is known, by their addresses inside WireGuard. */
export function encrypted(underlay: Underlay): Underlay {
  const inside = (host: UnderlayHost): UnderlayHost => ({ ...host, address: innerAddress(host) });
  return {
    self: inside(underlay.self),
    peers: () =>
      underlay
        .peers()
        .filter(({ wireguardKey }) => wireguardKey !== undefined)
        .map(inside),
    endpoints: () => underlay.endpoints(),
  };
}

/** A peer as WireGuard has it. */
export interface WireGuardPeer {
  key: string;
  endpoint: string;
  allowed: string;
}

export function wantedPeers(peers: readonly UnderlayHost[]): WireGuardPeer[] {
  return peers.flatMap((peer) =>
    peer.wireguardKey === undefined
      ? []
      : {
          key: peer.wireguardKey,
          endpoint: peer.address.includes(":")
            ? `[${peer.address}]:${WIREGUARD_PORT}`
            : `${peer.address}:${WIREGUARD_PORT}`,
          allowed: `${innerAddress(peer)}/128`,
        },
  );
}

/** The configuration for `wg syncconf` (wg(8)). */
export function configText(secret: string, peers: readonly WireGuardPeer[]): string {
  return [
    "[Interface]",
    `PrivateKey = ${secret}`,
    `ListenPort = ${WIREGUARD_PORT}`,
    ...peers.flatMap(({ key, endpoint, allowed }) => [
      "[Peer]",
      `PublicKey = ${key}`,
      `Endpoint = ${endpoint}`,
      `AllowedIPs = ${allowed}`,
    ]),
    "",
  ].join("\n");
}

/** Whether `wg show LINK dump` tells of exactly these peers, this key and the port. */
export function equalsDump(dump: string, told: string, peers: readonly WireGuardPeer[]): boolean {
  const [own = "", ...rest] = dump.trim().split("\n");
  const [, key, port] = own.split("\t");
  const known = rest.map((line) => {
    const [peer, , endpoint, allowed] = line.split("\t");
    return `${peer} ${endpoint} ${allowed}`;
  });
  const wanted = peers.map((peer) => `${peer.key} ${peer.endpoint} ${peer.allowed}`);
  return (
    key === told && port === String(WIREGUARD_PORT) && known.sort().join("\n") === wanted.sort().join("\n")
  );
}
