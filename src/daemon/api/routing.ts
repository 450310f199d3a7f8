/** Finds the route of a request by its path and query, and answers requests that bay does not support. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { BayError } from "../../core/errors.ts";
import type { Route } from "./http.ts";

/** The versions of the Engine API that bay serves. */
export const API_VERSION = "1.47";
export const MIN_API_VERSION = "1.24";

/** A call that takes the connection over; it owns the socket then. */
export interface Hijack {
  request: IncomingMessage;
  socket: Duplex;
  upgraded: boolean;
  parts: string[];
  query: URLSearchParams;
  body: Buffer;
}

export interface HijackRoute {
  /** Such as `POST /containers/:/attach`, its key in the table of parameters. */
  name: string;
  path: RegExp;
  take: (hijack: Hijack) => Promise<void>;
}

/** Returns the path without the version, and the query. Throws BAD_REQUEST if they cannot be parsed. */
export function locate(url: string): { path: string; query: URLSearchParams } {
  // clients send the absolute form to a proxy (RFC 9112, section 3.2.2)
  const relative = URL.canParse(url) ? url.replace(/^https?:\/\/[^/?#]+/i, "") : url;
  const mark = relative.indexOf("?");
  const path = mark === -1 ? relative : relative.slice(0, mark);
  const query = mark === -1 ? "" : relative.slice(mark + 1);
  if (!path.startsWith("/") || path.startsWith("//") || /[#\\]/.test(path))
    throw new BayError("BAD_REQUEST", `invalid path ${JSON.stringify(path.slice(0, 200))}`);
  checkEscapes(path);
  checkEscapes(query);
  return { path: withoutVersion(path), query: new URLSearchParams(query) };
}

/** Throws BAD_REQUEST if an escape cannot be decoded, and for NUL, which ends names in the kernel. */
function checkEscapes(text: string): void {
  try {
    const plain = decodeURIComponent(text.replaceAll("+", " "));
    if (!plain.includes("\0")) return;
  } catch {
    // reported below
  }
  throw new BayError("BAD_REQUEST", `invalid escape in ${JSON.stringify(text.slice(0, 200))}`);
}

/** Throws BAD_REQUEST for a version that bay does not serve, like Docker. */
function withoutVersion(path: string): string {
  const match = /^\/v(\d{1,4})\.(\d{1,4})(?=\/)/.exec(path);
  if (!match) return path;
  const version = `${match[1]}.${match[2]}`;
  if (isOlder(API_VERSION, version))
    throw new BayError(
      "BAD_REQUEST",
      `client version ${version} is too new. Maximum supported API version is ${API_VERSION}`,
    );
  if (isOlder(version, MIN_API_VERSION))
    throw new BayError(
      "BAD_REQUEST",
      `client version ${version} is too old. Minimum supported API version is ${MIN_API_VERSION}`,
    );
  return path.slice(match[0].length);
}

function isOlder(one: string, other: string): boolean {
  const [major = 0, minor = 0] = one.split(".").map(Number);
  const [otherMajor = 0, otherMinor = 0] = other.split(".").map(Number);
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}

const partsOf = (match: RegExpExecArray) => match.slice(1).map((part) => decodeURIComponent(part ?? ""));

/** Docker's paths for swarm. */
const SWARM = /^\/(swarm|nodes|services|tasks|secrets|configs)(\/|$)/;

/** Why bay does not serve a route of Docker. Docker's clients show only the message, so that it contains the reason. */
const REASONS: readonly (readonly [route: RegExp, reason: string])[] = [
  [/^\w+ \/(session|grpc)$/, "builds with BuildKit sessions are not supported; use bay image build"],
  [/^\w+ \/swarm(\/|$)/, "bay does not support swarm mode"],
  [/^\w+ \/plugins(\/|$)/, "bay does not support plugins"],
  [/^\w+ \/containers\/[^/]+\/checkpoints(\/|$)/, "bay does not support checkpoints"],
];

/** The error for a path that bay does not serve. */
export function noRoute(method: string, path: string): BayError {
  // volumes of a cluster are updated by a swarm's manager
  const isOfSwarm = SWARM.test(path) || (method === "PUT" && /^\/volumes\/[^/]+$/.test(path));
  if (isOfSwarm && !/^\/swarm\/(init|join)$/.test(path))
    return new BayError(
      "NO_SWARM",
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    );
  const route = `${method} ${path.slice(0, 200)}`;
  const reason =
    REASONS.find(([pattern]) => pattern.test(route))?.[1] ?? "the Engine API of bay has no such route";
  return new BayError("NO_ROUTE", `bay does not support ${route}: ${reason}`);
}

export class RouteTable {
  constructor(
    readonly routes: readonly Route[],
    readonly hijacks: readonly HijackRoute[],
  ) {}

  /** Throws NO_ROUTE, NO_SWARM. */
  find(method: string, path: string): { route: Route; parts: string[] } {
    for (const route of this.routes) {
      const match = route.method === method ? route.path.exec(path) : null;
      if (match) return { route, parts: partsOf(match) };
    }
    throw noRoute(method, path);
  }

  findHijack(method: string | undefined, path: string) {
    for (const { name, path: pattern, take } of this.hijacks) {
      const match = name.startsWith(`${method} `) ? pattern.exec(path) : null;
      if (!match) continue;
      const parts = partsOf(match);
      return { name, take: (call: Omit<Hijack, "parts">) => take({ ...call, parts }) };
    }
    return undefined;
  }
}
