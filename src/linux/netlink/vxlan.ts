/**
 * VXLAN links, and the entries that direct frames through them, over rtnetlink(7): the link's own table (MAC address to host),
 * its bridge's table (MAC address to port), and its neighbours, from which it answers ARP and neighbour solicitations itself.
 * The kernel learns nothing here and floods nothing: what no entry names is dropped (RFC 7348; ip-link(8), bridge(8)).
 */
import { isIPv6 } from "node:net";
import { hasCode } from "../../core/errors.ts";
import { packAddress } from "../../core/ip.ts";
import {
  AF_BRIDGE,
  AF_INET,
  AF_INET6,
  familyOf,
  IFF_UP,
  IFLA_IFALIAS,
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_INFO_SLAVE_DATA,
  IFLA_INFO_SLAVE_KIND,
  IFLA_LINKINFO,
  IFLA_MASTER,
  IFLA_MTU,
  linkHeader,
  packMac,
  RTM_GETLINK,
  RTM_NEWLINK,
  unpackAddress,
  unpackMac,
} from "./link-message.ts";
import { attribute, find, parseAttributes, text, u8, u32 } from "./message.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, type RouteSocket } from "./route-socket.ts";
import { setTransmitChecksum } from "./transmit-checksum.ts";

const RTM_NEWNEIGH = 28;
const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;
const IFLA_BRPORT_LEARNING = 8;
const IFLA_BRPORT_UNICAST_FLOOD = 9;
const IFLA_VXLAN_ID = 1;
const IFLA_VXLAN_LOCAL = 4;
const IFLA_VXLAN_TTL = 5;
const IFLA_VXLAN_LEARNING = 7;
const IFLA_VXLAN_PROXY = 11;
const IFLA_VXLAN_PORT = 15;
const IFLA_VXLAN_LOCAL6 = 17;
const IFLA_VXLAN_UDP_CSUM = 18;
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NDA_MASTER = 9;
const NUD_NOARP = 0x40;
const NUD_PERMANENT = 0x80;
const NTF_SELF = 2;
const NTF_MASTER = 4;

export interface VxlanOptions {
  name: string;
  /** The VXLAN network identifier, 1 to 2^24 - 1. */
  vni: number;
  /** The UDP port of all hosts of this network. */
  port: number;
  /** This host's address in the underlay. */
  local: string;
  mtu: number;
  /** The index of the bridge. */
  master: number;
  /** Shown by `ip link`. */
  alias: string;
}

/** A MAC address and the host behind which it is. */
export interface TunnelEntry {
  mac: string;
  host: string;
}

/** An address and its MAC address, for answers to ARP and neighbour solicitation. */
export interface NeighbourEntry {
  address: string;
  mac: string;
}

/** The calls on the network namespace of a socket. All throw `SyscallError`. */
export class VxlanLinks {
  readonly #socket: RouteSocket;

  constructor(socket: RouteSocket) {
    this.#socket = socket;
  }

  /** Adds a VXLAN link as a port of a bridge, and sets it up. Throws EEXIST if the name, or the VNI on this port, is in use. */
  add(options: VxlanOptions): void {
    const isV6 = isIPv6(options.local);
    const port = Buffer.alloc(2);
    port.writeUInt16BE(options.port);
    const data = [
      attribute(IFLA_VXLAN_ID, u32(options.vni)),
      attribute(isV6 ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, packAddress(options.local)),
      attribute(IFLA_VXLAN_PORT, port),
      attribute(IFLA_VXLAN_TTL, u8(64)),
      attribute(IFLA_VXLAN_LEARNING, u8(0)),
      attribute(IFLA_VXLAN_PROXY, u8(1)),
      attribute(IFLA_VXLAN_UDP_CSUM, u8(isV6 ? 1 : 0)),
    ];
    const info = [attribute(IFLA_INFO_KIND, text("vxlan")), attribute(IFLA_INFO_DATA, data)];
    const body = Buffer.concat([
      linkHeader(0),
      attribute(IFLA_IFNAME, text(options.name)),
      attribute(IFLA_MTU, u32(options.mtu)),
      attribute(IFLA_MASTER, u32(options.master)),
      attribute(IFLA_LINKINFO, info),
    ]);
    this.#socket.change(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, `add vxlan ${options.name}`);
    const alias = Buffer.concat([
      linkHeader(0),
      attribute(IFLA_IFNAME, text(options.name)),
      attribute(IFLA_IFALIAS, text(options.alias.slice(0, 255))),
    ]);
    this.#socket.change(RTM_NEWLINK, 0, alias, `describe ${options.name}`);
    // kernels from 6.12 send broken checksums, and so lose most of the throughput, through some network cards
    setTransmitChecksum(options.name, false);
  }

  /** The underlay address of a VXLAN link; undefined if it does not exist or has none. */
  localAddress(name: string): string | undefined {
    const body = Buffer.concat([linkHeader(0), attribute(IFLA_IFNAME, text(name))]);
    const answer = this.#socket.get(RTM_GETLINK, body, `link ${name}`);
    if (!answer) return undefined;
    const info = find(parseAttributes(answer.body.subarray(16)), IFLA_LINKINFO);
    const data = info && find(parseAttributes(info), IFLA_INFO_DATA);
    const attributes = data ? parseAttributes(data) : [];
    const local = find(attributes, IFLA_VXLAN_LOCAL) ?? find(attributes, IFLA_VXLAN_LOCAL6);
    return local && unpackAddress(local);
  }

  /** Sets a port up, and stops its bridge from learning addresses from it and from flooding unknown ones to it. */
  preparePort(index: number): void {
    const port = [
      attribute(IFLA_INFO_SLAVE_KIND, text("bridge")),
      attribute(IFLA_INFO_SLAVE_DATA, [
        attribute(IFLA_BRPORT_LEARNING, u8(0)),
        attribute(IFLA_BRPORT_UNICAST_FLOOD, u8(0)),
      ]),
    ];
    const body = Buffer.concat([linkHeader(index, IFF_UP, IFF_UP), attribute(IFLA_LINKINFO, port)]);
    this.#socket.change(RTM_NEWLINK, 0, body, `set up port ${index}`);
  }

  /** The MAC addresses in the tunnel's own table, and those that the bridge forwards to this port. */
  entries(index: number): { tunnel: TunnelEntry[]; bridge: string[] } {
    const tunnel: TunnelEntry[] = [];
    const bridge: string[] = [];
    for (const { body } of this.#socket.dump(RTM_GETNEIGH, linkHeader(index, 0, 0, AF_BRIDGE))) {
      if (body.readInt32LE(4) !== index) continue;
      const attributes = parseAttributes(body.subarray(12));
      const mac = unpackMac(find(attributes, NDA_LLADDR));
      const host = find(attributes, NDA_DST);
      if (mac === undefined) continue;
      if (find(attributes, NDA_MASTER)) {
        // a permanent entry is the port's own address
        if ((body.readUInt16LE(8) & NUD_PERMANENT) === 0) bridge.push(mac);
      } else if (host) tunnel.push({ mac, host: unpackAddress(host) });
    }
    return { tunnel, bridge };
  }

  /** Sends frames for a MAC address to a host. Replaces an earlier entry of the address. */
  addEntry(index: number, { mac, host }: TunnelEntry): void {
    const own = neighbour(AF_BRIDGE, index, NUD_PERMANENT, NTF_SELF, [
      attribute(NDA_LLADDR, packMac(mac)),
      attribute(NDA_DST, packAddress(host)),
    ]);
    this.#socket.change(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, own, `send ${mac} to ${host}`);
  }

  removeEntry(index: number, { mac, host }: TunnelEntry): void {
    const own = neighbour(AF_BRIDGE, index, NUD_PERMANENT, NTF_SELF, [
      attribute(NDA_LLADDR, packMac(mac)),
      attribute(NDA_DST, packAddress(host)),
    ]);
    this.#remove(own, `remove ${mac} of ${host}`);
  }

  /** Makes the bridge forward frames for a MAC address to this port. */
  addPortAddress(index: number, mac: string): void {
    const body = neighbour(AF_BRIDGE, index, NUD_NOARP, NTF_MASTER, [attribute(NDA_LLADDR, packMac(mac))]);
    this.#socket.change(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, body, `forward ${mac} to port ${index}`);
  }

  removePortAddress(index: number, mac: string): void {
    const body = neighbour(AF_BRIDGE, index, NUD_NOARP, NTF_MASTER, [attribute(NDA_LLADDR, packMac(mac))]);
    this.#remove(body, `remove ${mac} of port ${index}`);
  }

  /** The neighbours of a link, of both IP versions. */
  neighbours(index: number): NeighbourEntry[] {
    return [AF_INET, AF_INET6].flatMap((family) =>
      this.#socket.dump(RTM_GETNEIGH, neighbour(family, 0, 0, 0, [])).flatMap(({ body }) => {
        const isPermanent = (body.readUInt16LE(8) & NUD_PERMANENT) !== 0;
        if (body.readInt32LE(4) !== index || !isPermanent) return [];
        const attributes = parseAttributes(body.subarray(12));
        const [address, mac] = [find(attributes, NDA_DST), unpackMac(find(attributes, NDA_LLADDR))];
        return address && mac !== undefined ? [{ address: unpackAddress(address), mac }] : [];
      }),
    );
  }

  addNeighbour(index: number, { address, mac }: NeighbourEntry): void {
    const parts = [attribute(NDA_DST, packAddress(address)), attribute(NDA_LLADDR, packMac(mac))];
    const body = neighbour(familyOf(address), index, NUD_PERMANENT, 0, parts);
    this.#socket.change(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, body, `add neighbour ${address}`);
  }

  removeNeighbour(index: number, address: string): void {
    const body = neighbour(familyOf(address), index, NUD_PERMANENT, 0, [
      attribute(NDA_DST, packAddress(address)),
    ]);
    this.#remove(body, `remove neighbour ${address}`);
  }

  #remove(body: Buffer, about: string): void {
    try {
      this.#socket.change(RTM_DELNEIGH, 0, body, about);
    } catch (error) {
      if (!hasCode(error, "ENOENT", "ENODEV")) throw error;
    }
  }
}

/** struct ndmsg with attributes. */
function neighbour(
  family: number,
  index: number,
  state: number,
  flags: number,
  attributes: Buffer[],
): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(family, 0);
  header.writeInt32LE(index, 4);
  header.writeUInt16LE(state, 8);
  header.writeUInt8(flags, 10);
  return Buffer.concat([header, ...attributes]);
}
