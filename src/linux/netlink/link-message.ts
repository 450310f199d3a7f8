/** What several users of rtnetlink(7) share: the header of link messages, common attributes, and the forms of addresses. */
import { isIPv6 } from "node:net";
import { toAddress } from "../../core/ip.ts";

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const IFLA_ADDRESS = 1;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
export const IFLA_MASTER = 10;
export const IFLA_LINKINFO = 18;
export const IFLA_IFALIAS = 20;
export const IFLA_NET_NS_FD = 28;
export const IFLA_INFO_KIND = 1;
export const IFLA_INFO_DATA = 2;
export const IFLA_INFO_SLAVE_KIND = 4;
export const IFLA_INFO_SLAVE_DATA = 5;
/** A port of a bridge that passes frames only to ports that are not isolated. */
export const IFLA_BRPORT_ISOLATED = 33;
export const IFF_UP = 1;
export const AF_INET = 2;
export const AF_BRIDGE = 7;
export const AF_INET6 = 10;

/** struct ifinfomsg. */
export function linkHeader(index: number, flags = 0, change = 0, family = 0): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt8(family, 0);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(change, 12);
  return header;
}

export const familyOf = (address: string): number => (isIPv6(address) ? AF_INET6 : AF_INET);

/** Converts an address of four or sixteen bytes to text. */
export function unpackAddress(bytes: Buffer): string {
  return toAddress(BigInt(`0x${bytes.toString("hex")}`), bytes.length === 4 ? 4 : 6);
}

export function packMac(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(":", ""), "hex");
}

/** Undefined if the bytes are not a MAC address. */
export function unpackMac(bytes: Buffer | undefined): string | undefined {
  return bytes?.length === 6 ? bytes.toString("hex").match(/../g)!.join(":") : undefined;
}
