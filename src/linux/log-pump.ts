/** Moving bytes from FIFOs to files inside the kernel (poll(2), splice(2)); used by a worker thread that may block. */
import { libc, trySyscall } from "./libc.ts";

const poll = libc.func("poll", "int", ["void *", "uint64", "int"]);
const POLLIN = 1;
const POLLHUP = 16;
const POLLERR = 8;
const SPLICE_F_NONBLOCK = 2;

export interface Ready {
  index: number;
  readable: boolean;
  hungUp: boolean;
}

/** Waits until one of the descriptors is readable or hung up, or the timeout. */
export function waitReadable(fds: readonly number[], milliseconds: number): Ready[] {
  const entries = Buffer.alloc(fds.length * 8);
  fds.forEach((fd, index) => {
    entries.writeInt32LE(fd, index * 8);
    entries.writeInt16LE(POLLIN, index * 8 + 4);
  });
  const count = poll(entries, fds.length, milliseconds) as number;
  if (count <= 0) return [];
  return fds.flatMap((_, index) => {
    const events = entries.readInt16LE(index * 8 + 6);
    return events === 0
      ? []
      : [{ index, readable: (events & POLLIN) !== 0, hungUp: (events & (POLLHUP | POLLERR)) !== 0 }];
  });
}

/**
 * Moves the available data, up to `bytes`; returns the count, 0 at the end, or a negative errno (-EAGAIN if there is none).
 */
export function splice(from: number, to: number, offset: number, bytes: number): number {
  const position = Buffer.alloc(8);
  position.writeBigInt64LE(BigInt(offset));
  return trySyscall("splice", from, null, to, position, bytes, SPLICE_F_NONBLOCK);
}
