/** Sockets bound with system calls and passed to Node as descriptors (socket(7), ip(7), ipv6(7)). */
import { isIPv6 } from "node:net";
import { packAddress } from "../core/ip.ts";
import { close, libc, syscall } from "./libc.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_FLAGS = 0o2000000 | 0o4000; // close-on-exec, non-blocking
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const BACKLOG = 511;

/** struct sockaddr_in, or sockaddr_in6. */
function socketAddress(address: string, port: number): Buffer {
  const isV6 = isIPv6(address);
  const bytes = Buffer.alloc(isV6 ? 28 : 16);
  bytes.writeUInt16LE(isV6 ? AF_INET6 : AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  packAddress(address.replace(/%.*$/, "")).copy(bytes, isV6 ? 8 : 4);
  return bytes;
}

function turnOn(fd: number, level: number, option: number, value: boolean): void {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value ? 1 : 0);
  syscall("setsockopt", [fd, level, option, bytes, 4]);
}

/**
 * Returns a bound socket and its port; `tcp` listens. The caller's thread is in the right namespace. An IPv6 socket accepts
 * both IP versions unless `v6Only`. Throws SyscallError.
 */
export function bindSocket(
  kind: "udp" | "tcp",
  address: string,
  port = 0,
  { v6Only = false } = {},
): { fd: number; port: number } {
  const isV6 = isIPv6(address);
  const family = isV6 ? AF_INET6 : AF_INET;
  const fd = syscall("socket", [family, (kind === "udp" ? 2 : 1) | SOCK_FLAGS, 0]);
  try {
    if (kind === "tcp") turnOn(fd, SOL_SOCKET, SO_REUSEADDR, true);
    if (isV6) turnOn(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6Only);
    const wanted = socketAddress(address, port);
    syscall("bind", [fd, wanted, wanted.length], `${address}:${port}`);
    const bound = Buffer.alloc(28);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bound.length);
    syscall("getsockname", [fd, bound, length]);
    if (kind === "tcp") syscall("listen", [fd, BACKLOG], `${address}:${port}`);
    return { fd, port: bound.readUInt16BE(2) };
  } catch (error) {
    close(fd);
    throw error;
  }
}

const [POLLERR, POLLHUP] = [0x8, 0x10];
const poll = libc.func("poll", "int", ["void *", "uint64", "int"]);

/**
 * Returns for each socket whether both directions are closed, and for the writing end of a pipe whether it has no reader (poll(2)). The peer of a unix socket that only shut down its
 * sending side still reads, and a reader cannot tell the difference.
 */
export function hungUp(fds: readonly number[]): boolean[] {
  if (fds.length === 0) return [];
  const entries = Buffer.alloc(8 * fds.length);
  for (const [index, fd] of fds.entries()) entries.writeInt32LE(fd, 8 * index);
  poll(entries, fds.length, 0);
  return fds.map((_, index) => (entries.readInt16LE(8 * index + 6) & (POLLERR | POLLHUP)) !== 0);
}
