/** Datagrams over unix sockets (unix(7)), which Node does not support: syslog and systemd's journal use them. */
import { close, syscall, trySyscall } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_FLAGS = 0o2000000 | 0o4000; // close-on-exec, non-blocking
const MSG_NOSIGNAL = 0x4000;
const EAGAIN = -11;
const ENOBUFS = -105;

/** struct sockaddr_un */
function unixAddress(path: string): Buffer {
  const name = Buffer.from(`${path}\0`);
  const bytes = Buffer.alloc(2 + name.length);
  bytes.writeUInt16LE(AF_UNIX, 0);
  name.copy(bytes, 2);
  return bytes;
}

/** A connected socket. Throws SyscallError: ENOENT, ECONNREFUSED, EPROTOTYPE for a stream socket. */
export class UnixDatagram {
  #fd: number | undefined;

  constructor(path: string) {
    const fd = syscall("socket", [AF_UNIX, SOCK_DGRAM | SOCK_FLAGS, 0]);
    const address = unixAddress(path);
    try {
      syscall("connect", [fd, address, address.length], path);
    } catch (error) {
      close(fd);
      throw error;
    }
    this.#fd = fd;
  }

  /** Returns false if the receiver is full. Throws SyscallError: ECONNREFUSED, EMSGSIZE … */
  send(bytes: Buffer): boolean {
    const sent = trySyscall("sendto", this.#fd ?? -1, bytes, bytes.length, MSG_NOSIGNAL, null, 0);
    if (sent === EAGAIN || sent === ENOBUFS) return false;
    if (sent < 0) syscall("sendto", [this.#fd ?? -1, bytes, bytes.length, MSG_NOSIGNAL, null, 0]);
    return true;
  }

  close(): void {
    if (this.#fd !== undefined) close(this.#fd);
    this.#fd = undefined;
  }
}

/** Receives datagrams at a path. */
export function listenForDatagrams(path: string): { read: () => Buffer | undefined; close: () => void } {
  const fd = syscall("socket", [AF_UNIX, SOCK_DGRAM | SOCK_FLAGS, 0]);
  const address = unixAddress(path);
  syscall("bind", [fd, address, address.length], path);
  const room = Buffer.alloc(256 << 10);
  return {
    read: () => {
      const count = trySyscall("recvfrom", fd, room, room.length, 0, null, null);
      return count < 0 ? undefined : Buffer.from(room.subarray(0, count));
    },
    close: () => close(fd),
  };
}
