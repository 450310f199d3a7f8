/**
 * Routes that one program owns, over rtnetlink(7): a protocol number and a metric mark them, so that they can be listed, compared
 * and removed without touching the routes of others.
 */
import { hasCode } from "../../core/errors.ts";
import { packAddress, versionOf } from "../../core/ip.ts";
import { AF_INET, AF_INET6, familyOf, unpackAddress } from "./link-message.ts";
import { attribute, find, parseAttributes, u32 } from "./message.ts";
import { NLM_F_CREATE, NLM_F_REPLACE, type RouteSocket } from "./route-socket.ts";

const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_TABLE = 15;
const RTA_VIA = 18;
const RT_TABLE_MAIN = 254;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RT_SCOPE_NOWHERE = 255;
const RTN_UNSPEC = 0;
const RTN_UNICAST = 1;
const RTN_UNREACHABLE = 7;

/** A route in the main table. Without a gateway and a link it rejects packets (unreachable). */
export interface Route {
  destination: string;
  prefix: number;
  /** May be an IPv6 address for an IPv4 destination. */
  gateway?: string | undefined;
  /** The index of the link. */
  link?: number | undefined;
  /** The source address of packets of the host itself. */
  source?: string | undefined;
}

/** What marks the routes of one owner. */
export interface RouteOwner {
  /** The number that ip-route(8) shows as `proto`. */
  protocol: number;
  metric: number;
}

/** How the host reaches an address. */
export interface NextHop {
  link: number;
  /** Undefined if the address is on the link itself. */
  gateway: string | undefined;
}

/** The calls on the network namespace of a socket. All throw `SyscallError`. */
export class Routes {
  readonly #socket: RouteSocket;

  constructor(socket: RouteSocket) {
    this.#socket = socket;
  }

  /** The owner's routes of both IP versions. */
  list(owner: RouteOwner): Route[] {
    return [AF_INET, AF_INET6].flatMap((family) => {
      const header = Buffer.alloc(12);
      header.writeUInt8(family, 0);
      return this.#socket.dump(RTM_GETROUTE, header).flatMap(({ body }) => decodeRoute(body, owner) ?? []);
    });
  }

  /** Adds a route. Replaces an earlier one of the owner to the same destination. */
  add(route: Route, owner: RouteOwner): void {
    const { destination, prefix, gateway, link, source } = route;
    const isOnLink = gateway === undefined && link !== undefined;
    const type = gateway === undefined && link === undefined ? RTN_UNREACHABLE : RTN_UNICAST;
    const parts = [...markOf(route, owner)];
    if (gateway !== undefined) parts.push(gatewayAttribute(destination, gateway));
    if (link !== undefined) parts.push(attribute(RTA_OIF, u32(link)));
    if (source !== undefined) parts.push(attribute(RTA_PREFSRC, packAddress(source)));
    const scope = isOnLink && versionOf(destination) === 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    const body = Buffer.concat([routeHeader(route, owner.protocol, scope, type), ...parts]);
    this.#socket.change(
      RTM_NEWROUTE,
      NLM_F_CREATE | NLM_F_REPLACE,
      body,
      `add a route to ${destination}/${prefix}`,
    );
  }

  /** Removes the owner's route to a destination; ignores one that does not exist. */
  remove(route: Route, owner: RouteOwner): void {
    const header = routeHeader(route, owner.protocol, RT_SCOPE_NOWHERE, RTN_UNSPEC);
    const about = `remove the route to ${route.destination}/${route.prefix}`;
    try {
      this.#socket.change(RTM_DELROUTE, 0, Buffer.concat([header, ...markOf(route, owner)]), about);
    } catch (error) {
      if (!hasCode(error, "ESRCH", "ENODEV")) throw error;
    }
  }

  /** How packets of the host to an address leave it; undefined if no route leads to it or it is the host's own. */
  nextHop(address: string): NextHop | undefined {
    const header = Buffer.alloc(12); // struct rtmsg
    header.set([familyOf(address), versionOf(address) === 6 ? 128 : 32]);
    const body = Buffer.concat([header, attribute(RTA_DST, packAddress(address))]);
    try {
      const answer = this.#socket.get(RTM_GETROUTE, body, `route to ${address}`);
      if (!answer || answer.body.readUInt8(7) !== RTN_UNICAST) return undefined;
      const attributes = parseAttributes(answer.body.subarray(12));
      const gateway = find(attributes, RTA_GATEWAY);
      const link = find(attributes, RTA_OIF)?.readUInt32LE(0);
      return link === undefined ? undefined : { link, gateway: gateway && unpackAddress(gateway) };
    } catch (error) {
      if (hasCode(error, "ENETUNREACH", "EHOSTUNREACH", "EACCES", "EINVAL")) return undefined;
      throw error;
    }
  }
}

/** The attributes that name a route of an owner. */
const markOf = ({ destination }: Route, { metric }: RouteOwner) => [
  attribute(RTA_DST, packAddress(destination)),
  attribute(RTA_PRIORITY, u32(metric)),
];

/** A gateway of another IP version is in RTA_VIA: struct rtvia, a family and an address. */
function gatewayAttribute(destination: string, gateway: string): Buffer {
  const bytes = packAddress(gateway);
  if (versionOf(destination) === versionOf(gateway)) return attribute(RTA_GATEWAY, bytes);
  const family = Buffer.alloc(2);
  family.writeUInt16LE(familyOf(gateway));
  return attribute(RTA_VIA, Buffer.concat([family, bytes]));
}

/** struct rtmsg. */
function routeHeader({ destination, prefix }: Route, protocol: number, scope: number, type: number): Buffer {
  return Buffer.from([familyOf(destination), prefix, 0, 0, RT_TABLE_MAIN, protocol, scope, type, 0, 0, 0, 0]);
}

function decodeRoute(body: Buffer, { protocol, metric }: RouteOwner): Route | undefined {
  if (body.readUInt8(5) !== protocol) return undefined;
  const attributes = parseAttributes(body.subarray(12));
  const number = (type: number) => find(attributes, type)?.readUInt32LE(0);
  const destination = find(attributes, RTA_DST);
  const isMain = (number(RTA_TABLE) ?? body.readUInt8(4)) === RT_TABLE_MAIN;
  if (!destination || !isMain || number(RTA_PRIORITY) !== metric) return undefined;
  const route = { destination: unpackAddress(destination), prefix: body.readUInt8(1) };
  if (body.readUInt8(7) === RTN_UNREACHABLE) return route;
  const [gateway, via] = [find(attributes, RTA_GATEWAY), find(attributes, RTA_VIA)?.subarray(2)];
  const hop = gateway ?? via;
  const source = find(attributes, RTA_PREFSRC);
  return {
    ...route,
    ...(hop ? { gateway: unpackAddress(hop) } : {}),
    link: number(RTA_OIF),
    ...(source ? { source: unpackAddress(source) } : {}),
  };
}
