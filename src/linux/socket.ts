/** IPv4 sockets bound inside a network namespace, to be handed to Node by descriptor (socket(7), ip(7)). */
import { close, syscall } from "./libc.ts";
import { packIpv4 } from "./netlink/links.ts";

const AF_INET = 2;
const SOCK_FLAGS = 0o2000000 | 0o4000; // close-on-exec, non-blocking
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;

/** struct sockaddr_in. */
function socketAddress(address: string, port: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  packIpv4(address).copy(bytes, 4);
  return bytes;
}

/** A bound socket and its port; `tcp` listens. The caller's thread is in the wanted namespace. */
export function bindSocket(kind: "udp" | "tcp", address: string, port = 0): { fd: number; port: number } {
  const fd = syscall("socket", [AF_INET, (kind === "udp" ? 2 : 1) | SOCK_FLAGS, 0]);
  try {
    if (kind === "tcp") {
      const on = Buffer.alloc(4);
      on.writeUInt32LE(1);
      syscall("setsockopt", [fd, SOL_SOCKET, SO_REUSEADDR, on, 4]);
    }
    syscall("bind", [fd, socketAddress(address, port), 16], `${address}:${port}`);
    const bound = Buffer.alloc(16);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(16);
    syscall("getsockname", [fd, bound, length]);
    if (kind === "tcp") syscall("listen", [fd, 64]);
    return { fd, port: bound.readUInt16BE(2) };
  } catch (error) {
    close(fd);
    throw error;
  }
}
