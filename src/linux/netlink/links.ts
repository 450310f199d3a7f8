/** Links, addresses and routes over rtnetlink(7), limited to what bay creates: bridges, veth pairs and their addresses. */
import { isIPv6 } from "node:net";
import { hasCode } from "../../core/errors.ts";
import { packAddress } from "../../core/ip.ts";
import { GreLinks } from "./gre.ts";
import {
  AF_INET,
  familyOf,
  IFF_UP,
  IFLA_ADDRESS,
  IFLA_BRPORT_ISOLATED,
  IFLA_IFALIAS,
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_INFO_SLAVE_DATA,
  IFLA_INFO_SLAVE_KIND,
  IFLA_LINKINFO,
  IFLA_MASTER,
  IFLA_MTU,
  IFLA_NET_NS_FD,
  linkHeader,
  packMac,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
  unpackAddress,
  unpackMac,
} from "./link-message.ts";
import { attribute, find, parseAttributes, text, u8, u32 } from "./message.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, RouteSocket } from "./route-socket.ts";
import { Routes } from "./routes.ts";
import { VxlanLinks } from "./vxlan.ts";

const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const IFLA_BRPORT_MODE = 4;
const VETH_INFO_PEER = 1;
const IFLA_BR_FORWARD_DELAY = 1;
const IFLA_BR_MCAST_SNOOPING = 23;
const IFLA_BR_MULTI_BOOLOPT = 46; // struct br_boolopt_multi: values, and which of them are set
const NO_LL_LEARN = 1;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_F_NODAD = 2;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RT_TABLE_MAIN = 254;
const RTPROT_STATIC = 4;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;

export interface Link {
  index: number;
  name: string;
  kind: string | undefined;
  master: number | undefined;
  mtu: number;
  isUp: boolean;
  mac: string;
}

export interface AddressEntry {
  linkIndex: number;
  address: string;
  prefix: number;
}

/** Decodes a reply to RTM_GETLINK (rtnetlink(7)). */
function decodeLink(body: Buffer): Link {
  const attributes = parseAttributes(body.subarray(16));
  const info = parseAttributes(find(attributes, IFLA_LINKINFO) ?? Buffer.alloc(0));
  const master = find(attributes, IFLA_MASTER)?.readUInt32LE(0);
  return {
    index: body.readInt32LE(4),
    name: find(attributes, IFLA_IFNAME)?.toString("latin1").replace(/\0.*$/, "") ?? "",
    kind: find(info, IFLA_INFO_KIND)?.toString("latin1").replace(/\0.*$/, ""),
    master: master || undefined,
    mtu: find(attributes, IFLA_MTU)?.readUInt32LE(0) ?? 0,
    isUp: (body.readUInt32LE(8) & IFF_UP) !== 0,
    mac: unpackMac(find(attributes, IFLA_ADDRESS)) ?? "",
  };
}

/** The calls on one network namespace. Close it when done. All throw `SyscallError`. */
export class Links {
  readonly #socket = new RouteSocket();
  /** VXLAN links and their entries, GRE tunnels, and routes with a protocol of their own, by the same socket. */
  readonly vxlan = new VxlanLinks(this.#socket);
  readonly gre = new GreLinks(this.#socket);
  readonly routing = new Routes(this.#socket);

  close(): void {
    this.#socket.close();
  }

  list(): Link[] {
    return this.#socket.dump(RTM_GETLINK, linkHeader(0)).map(({ body }) => decodeLink(body));
  }

  byName(name: string): Link | undefined {
    const body = Buffer.concat([linkHeader(0), attribute(IFLA_IFNAME, text(name))]);
    const answer = this.#socket.get(RTM_GETLINK, body, `link ${name}`);
    return answer && decodeLink(answer.body);
  }

  /** Adds a bridge without forwarding delay. Throws EEXIST if the name is in use. */
  addBridge(name: string, mtu: number | undefined, alias: string, mac?: string): void {
    const data = [
      attribute(IFLA_BR_FORWARD_DELAY, u32(0)),
      attribute(IFLA_BR_MCAST_SNOOPING, u8(1)),
      // otherwise a bridge learns the sender of frames to its reserved addresses (LLDP) before nftables sees them
      attribute(IFLA_BR_MULTI_BOOLOPT, Buffer.concat([u32(NO_LL_LEARN), u32(NO_LL_LEARN)])),
    ];
    const info = [attribute(IFLA_INFO_KIND, text("bridge")), attribute(IFLA_INFO_DATA, data)];
    const parts = [linkHeader(0), attribute(IFLA_IFNAME, text(name)), attribute(IFLA_LINKINFO, info)];
    if (mtu) parts.push(attribute(IFLA_MTU, u32(mtu)));
    if (mac !== undefined) parts.push(attribute(IFLA_ADDRESS, packMac(mac)));
    this.#socket.change(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, Buffer.concat(parts), `add bridge ${name}`);
    this.#alias(name, alias);
  }

  /** Adds a link of a kind that needs no options. Throws EOPNOTSUPP if the kernel does not have the kind. */
  addPlain(name: string, kind: string): void {
    const info = [attribute(IFLA_INFO_KIND, text(kind))];
    const body = [linkHeader(0), attribute(IFLA_IFNAME, text(name)), attribute(IFLA_LINKINFO, info)];
    this.#socket.change(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, Buffer.concat(body), `add ${kind} ${name}`);
  }

  setMtu(index: number, mtu: number): void {
    const body = Buffer.concat([linkHeader(index), attribute(IFLA_MTU, u32(mtu))]);
    this.#socket.change(RTM_NEWLINK, 0, body, `set the MTU of link ${index}`);
  }

  /** `ip link` shows the alias, which tells an administrator the owner of the link. */
  #alias(name: string, alias: string): void {
    const parts = [
      linkHeader(0),
      attribute(IFLA_IFNAME, text(name)),
      attribute(IFLA_IFALIAS, text(alias.slice(0, 255))),
    ];
    this.#socket.change(RTM_NEWLINK, 0, Buffer.concat(parts), `describe ${name}`);
  }

  /** Adds a veth pair: one end on the bridge and up, the peer in another network namespace with its own name. */
  addVeth(options: {
    name: string;
    master: number;
    peerName: string;
    peerNamespaceFd: number;
    peerMac: string;
    mtu: number | undefined;
  }): void {
    const mtu = options.mtu ? [attribute(IFLA_MTU, u32(options.mtu))] : [];
    const peer = Buffer.concat([
      linkHeader(0),
      attribute(IFLA_IFNAME, text(options.peerName)),
      attribute(IFLA_ADDRESS, packMac(options.peerMac)),
      attribute(IFLA_NET_NS_FD, u32(options.peerNamespaceFd)),
      ...mtu,
    ]);
    const info = [
      attribute(IFLA_INFO_KIND, text("veth")),
      attribute(IFLA_INFO_DATA, [attribute(VETH_INFO_PEER, peer)]),
    ];
    const body = Buffer.concat([
      linkHeader(0, IFF_UP, IFF_UP),
      attribute(IFLA_IFNAME, text(options.name)),
      attribute(IFLA_MASTER, u32(options.master)),
      attribute(IFLA_LINKINFO, info),
      ...mtu,
    ]);
    this.#socket.change(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, `add veth ${options.name}`);
  }

  setUp(index: number): void {
    this.#socket.change(RTM_NEWLINK, 0, linkHeader(index, IFF_UP, IFF_UP), `set link ${index} up`);
  }

  setMaster(index: number, master: number): void {
    const body = Buffer.concat([linkHeader(index, IFF_UP, IFF_UP), attribute(IFLA_MASTER, u32(master))]);
    this.#socket.change(RTM_NEWLINK, 0, body, `put link ${index} on a bridge`);
  }

  /** Lets a port of a bridge send a frame back to its sender (bridge(8), hairpin). */
  setHairpin(index: number): void {
    this.#setPort(index, IFLA_BRPORT_MODE, "hairpin mode");
  }

  /** Isolates a port of a bridge from the other isolated ports (bridge(8), isolated); the host remains reachable. */
  setIsolated(index: number): void {
    this.#setPort(index, IFLA_BRPORT_ISOLATED, "isolation");
  }

  #setPort(index: number, type: number, what: string): void {
    const info = [
      attribute(IFLA_INFO_SLAVE_KIND, text("bridge")),
      attribute(IFLA_INFO_SLAVE_DATA, [attribute(type, u8(1))]),
    ];
    const body = Buffer.concat([linkHeader(index), attribute(IFLA_LINKINFO, info)]);
    this.#socket.change(RTM_NEWLINK, 0, body, `set ${what} of link ${index}`);
  }

  /**
   * Removes a link. Ignores one that does not exist: the kernel removes a veth pair shortly after the other end's namespace.
   */
  remove(index: number): void {
    try {
      this.#socket.change(RTM_DELLINK, 0, linkHeader(index), `remove link ${index}`);
    } catch (error) {
      if (!hasCode(error, "ENODEV")) throw error;
    }
  }

  /** Adds an address; ignores an existing one. An IPv6 address is usable immediately, without duplicate detection. */
  addAddress(index: number, address: string, prefix: number): void {
    const isV6 = isIPv6(address);
    const header = Buffer.alloc(8); // struct ifaddrmsg
    header.writeUInt8(familyOf(address), 0);
    header.writeUInt8(prefix, 1);
    if (isV6) header.writeUInt8(IFA_F_NODAD, 2);
    header.writeUInt32LE(index, 4);
    const bytes = packAddress(address);
    const parts = [header, attribute(IFA_LOCAL, bytes), attribute(IFA_ADDRESS, bytes)];
    if (!isV6 && prefix < 31) {
      const broadcast = Buffer.alloc(4);
      broadcast.writeUInt32BE((bytes.readUInt32BE(0) | (0xffffffff >>> prefix)) >>> 0);
      parts.push(attribute(IFA_BROADCAST, broadcast));
    }
    this.#socket.change(
      RTM_NEWADDR,
      NLM_F_CREATE | NLM_F_REPLACE,
      Buffer.concat(parts),
      `add address ${address}/${prefix}`,
    );
  }

  /** All IPv4 and IPv6 addresses of the namespace. */
  addresses(): AddressEntry[] {
    return this.#socket.dump(RTM_GETADDR, Buffer.alloc(8)).flatMap(({ body }) => {
      const attributes = parseAttributes(body.subarray(8));
      const bytes = find(attributes, IFA_LOCAL) ?? find(attributes, IFA_ADDRESS);
      if (!bytes) return [];
      return [{ linkIndex: body.readUInt32LE(4), address: unpackAddress(bytes), prefix: body.readUInt8(1) }];
    });
  }

  /** Adds a default route through a gateway. */
  addDefaultRoute(gateway: string): void {
    this.#addRoute(
      { family: familyOf(gateway), prefix: 0, scope: RT_SCOPE_UNIVERSE },
      [attribute(RTA_GATEWAY, packAddress(gateway))],
      `add the default route by ${gateway}`,
    );
  }

  /** Adds a route to a subnet through a gateway. */
  addGatewayRoute(address: string, prefix: number, gateway: string): void {
    this.#addRoute(
      { family: familyOf(address), prefix, scope: RT_SCOPE_UNIVERSE },
      [attribute(RTA_DST, packAddress(address)), attribute(RTA_GATEWAY, packAddress(gateway))],
      `add a route to ${address}/${prefix}`,
    );
  }

  /** Adds a route to a subnet through a link that reaches all of its addresses directly. */
  addLinkRoute(index: number, address: string, prefix: number): void {
    this.#addRoute(
      { family: familyOf(address), prefix, scope: RT_SCOPE_LINK },
      [attribute(RTA_DST, packAddress(address)), attribute(RTA_OIF, u32(index))],
      `add a route to ${address}/${prefix}`,
    );
  }

  #addRoute(
    { family, prefix, scope }: { family: number; prefix: number; scope: number },
    attributes: Buffer[],
    about: string,
  ): void {
    const header = Buffer.alloc(12); // struct rtmsg
    header.set([family, prefix, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, scope, RTN_UNICAST]);
    const body = Buffer.concat([header, ...attributes]);
    this.#socket.change(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body, about);
  }

  /** IPv4 destinations that the namespace has routes to; the default route is 0.0.0.0/0. */
  routes(): { destination: string; prefix: number }[] {
    const header = Buffer.alloc(12);
    header.writeUInt8(AF_INET, 0);
    return this.#socket.dump(RTM_GETROUTE, header).flatMap(({ body }) => {
      if (body.readUInt8(0) !== AF_INET || body.readUInt8(7) !== RTN_UNICAST) return [];
      const bytes = find(parseAttributes(body.subarray(12)), RTA_DST);
      return [{ destination: bytes ? unpackAddress(bytes) : "0.0.0.0", prefix: body.readUInt8(1) }];
    });
  }
}
