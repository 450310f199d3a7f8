/** Addresses of a bayd: `unix://PATH`, `tcp://HOST[:PORT]` and `ssh://[USER@]HOST[:PORT][PATH]`, as Docker's clients have them. Pure. */

import { isIP } from "node:net";
import { BayError } from "./errors.ts";
import { LIMITS } from "./limits.ts";

export interface UnixAddress {
  kind: "unix";
  /** Absolute. */
  path: string;
}

export interface TcpAddress {
  kind: "tcp";
  /** A name or an address; IPv6 without brackets. */
  host: string;
  /** Undefined for the default, which depends on TLS. */
  port: number | undefined;
}

export interface SshAddress {
  kind: "ssh";
  user: string | undefined;
  /** A name, an address, or an alias of the user's ssh_config(5). */
  host: string;
  port: number | undefined;
  /** The path of bayd's socket on that host, if it is not the default. */
  path: string | undefined;
}

export type HostAddress = UnixAddress | TcpAddress | SshAddress;

/** Docker's ports: with TLS, and without. */
export const TLS_PORT = 2376;
export const PLAIN_PORT = 2375;

const MAX_LENGTH = LIMITS.identity.address;
const FORMS = "expected unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST";
/** A host name, an address or an alias; a name that begins with `-` would be an option of ssh(1). */
const HOST = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/;
const USER = /^[A-Za-z0-9_][A-Za-z0-9_.@+\\-]{0,254}$/;

/** Parses an address; without a scheme, it is `tcp://`. `source` names it in errors, such as `-H`. Throws BAD_HOST. */
export function parseHostAddress(text: string, source: string): HostAddress {
  const bad = (why: string) =>
    new BayError("BAD_HOST", `${source}: invalid address ${JSON.stringify(shortened(text))}: ${why}`, {
      hint: FORMS,
    });
  if (text.length > MAX_LENGTH) throw bad(`it is longer than ${MAX_LENGTH} characters`);
  if (/[\x00-\x20\x7f]/.test(text)) throw bad("it contains a space or a control character");
  const [, scheme = "tcp", rest = ""] = /^(?:([A-Za-z][A-Za-z0-9+.-]*):\/\/)?(.*)$/s.exec(text) ?? [];
  switch (scheme.toLowerCase()) {
    case "unix":
      return { kind: "unix", path: socketOf(rest, bad) };
    case "tcp":
      return tcpOf(rest, bad);
    case "ssh":
      return sshOf(rest, bad);
    default:
      throw bad(`the scheme ${scheme} is not supported`);
  }
}

type Bad = (why: string) => BayError;

function socketOf(path: string, bad: Bad): string {
  if (!path.startsWith("/")) throw bad("the path of the socket must be absolute");
  // sun_path of unix(7), with the NUL at its end
  if (Buffer.byteLength(path) > 107) throw bad("the path of a socket has at most 107 bytes");
  return path;
}

function tcpOf(rest: string, bad: Bad): TcpAddress {
  const authority = rest.endsWith("/") ? rest.slice(0, -1) : rest;
  if (/[/?#]/.test(authority)) throw bad("a tcp address has no path");
  if (authority.includes("@")) throw bad("a tcp address has no user");
  return { kind: "tcp", ...hostAndPort(authority, bad) };
}

function sshOf(rest: string, bad: Bad): SshAddress {
  if (/[?#]/.test(rest)) throw bad("an ssh address has no query and no fragment");
  const slash = rest.indexOf("/");
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const path = slash < 0 || rest.length === slash + 1 ? undefined : socketOf(rest.slice(slash), bad);
  const at = authority.lastIndexOf("@");
  const user = at < 0 ? undefined : authority.slice(0, at);
  if (user?.includes(":")) throw bad("a password cannot be part of the address");
  if (user !== undefined && !USER.test(user)) throw bad(`invalid user ${JSON.stringify(user)}`);
  return { kind: "ssh", user, ...hostAndPort(authority.slice(at + 1), bad), path };
}

function hostAndPort(text: string, bad: Bad): { host: string; port: number | undefined } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined)
    throw bad(isIP(text) === 6 ? "an IPv6 address needs brackets" : "the host or the port is not valid");
  if (host === "") throw bad("it has no host");
  if (bracketed !== undefined ? isIP(bracketed) !== 6 : !HOST.test(host))
    throw bad(`invalid host ${JSON.stringify(host)}`);
  return { host, port: port === undefined ? undefined : portOf(port, bad) };
}

function portOf(text: string, bad: Bad): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65535) throw bad(`invalid port ${JSON.stringify(text)}`);
  return port;
}

const shortened = (text: string) => (text.length > 200 ? `${text.slice(0, 200)}…` : text);

/** The address in its full form, for messages. */
export function formatHostAddress(address: HostAddress): string {
  if (address.kind === "unix") return `unix://${address.path}`;
  const { host, port } = address;
  const place = (isIP(host) === 6 ? `[${host}]` : host) + (port === undefined ? "" : `:${port}`);
  if (address.kind === "tcp") return `tcp://${place}`;
  return `ssh://${address.user === undefined ? "" : `${address.user}@`}${place}${address.path ?? ""}`;
}

/** Whether a host is this computer itself: 127.0.0.0/8, ::1, or localhost. */
export const isLoopback = (host: string): boolean =>
  host.toLowerCase() === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
