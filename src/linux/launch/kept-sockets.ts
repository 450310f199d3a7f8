/** The sockets that a container's shim keeps for the next bayd (pidfd_getfd(2)). */
import { close, syscall, trySyscall } from "../libc.ts";
import { openProcess } from "../process.ts";
import { FD } from "./descriptors.ts";
import type { KeptSockets } from "./request.ts";

const SOL_SOCKET = 1;
const SO_TYPE = 3;
const TYPES = { udp: 2, tcp: 1 } as const;

/** Copies of the sockets' descriptors; undefined if the shim has ended or holds none. The caller closes them. */
export function takeKeptSockets({
  shimPid,
  shimStart,
}: {
  shimPid: number;
  shimStart: number;
}): KeptSockets | undefined {
  const pidfd = openProcess(shimPid, shimStart);
  if (pidfd === undefined) return undefined;
  try {
    const udp = takeSocket(pidfd, FD.keptUdp, TYPES.udp);
    const tcp = takeSocket(pidfd, FD.keptTcp, TYPES.tcp);
    if (udp !== undefined && tcp !== undefined) return { udp, tcp };
    for (const fd of [udp, tcp]) if (fd !== undefined) close(fd);
    return undefined;
  } finally {
    close(pidfd);
  }
}

/** The shim of another version of bay may hold something else at the number. */
function takeSocket(pidfd: number, number: number, type: number): number | undefined {
  const fd = trySyscall("pidfd_getfd", pidfd, number, 0);
  if (fd < 0) return undefined;
  const found = Buffer.alloc(4);
  const length = Buffer.from([4, 0, 0, 0]);
  try {
    syscall("getsockopt", [fd, SOL_SOCKET, SO_TYPE, found, length]);
    if (found.readUInt32LE() === type) return fd;
  } catch {
    // it is not a socket
  }
  close(fd);
  return undefined;
}
