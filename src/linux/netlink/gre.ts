/** GRE tunnels that carry Ethernet frames, with a key (RFC 2784, RFC 2890), over rtnetlink(7): gretap and ip6gretap of ip-link(8). */
import { isIPv6 } from "node:net";
import { packAddress } from "../../core/ip.ts";
import {
  IFF_UP,
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
  linkHeader,
  RTM_GETLINK,
  RTM_NEWLINK,
  unpackAddress,
} from "./link-message.ts";
import { attribute, find, parseAttributes, text, u8, u32 } from "./message.ts";
import { NLM_F_CREATE, NLM_F_EXCL, type RouteSocket } from "./route-socket.ts";

const IFLA_GRE_IFLAGS = 2;
const IFLA_GRE_OFLAGS = 3;
const IFLA_GRE_IKEY = 4;
const IFLA_GRE_OKEY = 5;
const IFLA_GRE_LOCAL = 6;
const IFLA_GRE_REMOTE = 7;
const IFLA_GRE_TTL = 8;
const IFLA_GRE_FLAGS = 13;
/** The packets have a key; as on the wire. */
const GRE_KEY = Buffer.from([0x20, 0]);
/** No option of IPv6 that limits encapsulation: it would take eight bytes of each packet. */
const IP6_TNL_F_IGN_ENCAP_LIMIT = 1;

export interface GreTunnel {
  local: string;
  remote: string;
  key: number;
}

export interface GreOptions extends GreTunnel {
  name: string;
  mtu: number;
  /** The index of the bridge. */
  master: number;
  /** Shown by `ip link`. */
  alias: string;
}

/** The calls on the network namespace of a socket. All throw `SyscallError`. */
export class GreLinks {
  readonly #socket: RouteSocket;

  constructor(socket: RouteSocket) {
    this.#socket = socket;
  }

  /**
   * Adds a tunnel as an isolated port of a bridge, and sets it up: a frame from one tunnel never leaves by another. Throws
   * EOPNOTSUPP if the kernel has no GRE.
   */
  add({ name, mtu, master, alias, local, remote, key }: GreOptions): void {
    const isV6 = isIPv6(local);
    const number = Buffer.alloc(4);
    number.writeUInt32BE(key);
    const data = [
      attribute(IFLA_GRE_IFLAGS, GRE_KEY),
      attribute(IFLA_GRE_OFLAGS, GRE_KEY),
      attribute(IFLA_GRE_IKEY, number),
      attribute(IFLA_GRE_OKEY, number),
      attribute(IFLA_GRE_LOCAL, packAddress(local)),
      attribute(IFLA_GRE_REMOTE, packAddress(remote)),
      attribute(IFLA_GRE_TTL, u8(64)),
      ...(isV6 ? [attribute(IFLA_GRE_FLAGS, u32(IP6_TNL_F_IGN_ENCAP_LIMIT))] : []),
    ];
    const info = [
      attribute(IFLA_INFO_KIND, text(isV6 ? "ip6gretap" : "gretap")),
      attribute(IFLA_INFO_DATA, data),
    ];
    const named = [linkHeader(0), attribute(IFLA_IFNAME, text(name))];
    const link = [...named, attribute(IFLA_MTU, u32(mtu)), attribute(IFLA_LINKINFO, info)];
    this.#socket.change(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, Buffer.concat(link), `add gretap ${name}`);
    const port = [
      attribute(IFLA_INFO_SLAVE_KIND, text("bridge")),
      attribute(IFLA_INFO_SLAVE_DATA, [attribute(IFLA_BRPORT_ISOLATED, u8(1))]),
    ];
    const described = attribute(IFLA_IFALIAS, text(alias.slice(0, 255)));
    const joined = [...named, described, attribute(IFLA_MASTER, u32(master))];
    this.#socket.change(RTM_NEWLINK, 0, Buffer.concat(joined), `put ${name} on its bridge`);
    // isolated before it is up
    const up = [
      linkHeader(0, IFF_UP, IFF_UP),
      attribute(IFLA_IFNAME, text(name)),
      attribute(IFLA_LINKINFO, port),
    ];
    this.#socket.change(RTM_NEWLINK, 0, Buffer.concat(up), `set up ${name}`);
  }

  /** The ends and the key of a tunnel; undefined if there is no such link. */
  tunnel(name: string): GreTunnel | undefined {
    const body = Buffer.concat([linkHeader(0), attribute(IFLA_IFNAME, text(name))]);
    const answer = this.#socket.get(RTM_GETLINK, body, `link ${name}`);
    const info = answer && find(parseAttributes(answer.body.subarray(16)), IFLA_LINKINFO);
    const data = info && find(parseAttributes(info), IFLA_INFO_DATA);
    const attributes = data ? parseAttributes(data) : [];
    const [local, remote] = [find(attributes, IFLA_GRE_LOCAL), find(attributes, IFLA_GRE_REMOTE)];
    const key = find(attributes, IFLA_GRE_OKEY);
    if (!local || !remote || !key) return undefined;
    return { local: unpackAddress(local), remote: unpackAddress(remote), key: key.readUInt32BE(0) };
  }
}
