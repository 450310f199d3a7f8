/** Pipes and FIFOs (pipe(7), fifo(7)), always close-on-exec. */
import { lstatSync } from "node:fs";
import { BayError } from "../core/errors.ts";
import { O_CLOEXEC, O_NONBLOCK } from "./abi.ts";
import { libc, syscall } from "./libc.ts";

export interface Pipe {
  read: number;
  write: number;
}

/** A pipe. `nonblocking` ends are for Node's event loop; the other end's flags are separate. */
export function createPipe(nonblocking: "read" | "write" | "none" = "none"): Pipe {
  const fds = Buffer.alloc(8);
  syscall("pipe2", [fds, O_CLOEXEC]);
  const pipe = { read: fds.readInt32LE(0), write: fds.readInt32LE(4) };
  if (nonblocking !== "none") setNonblocking(pipe[nonblocking]);
  return pipe;
}

const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const F_SETPIPE_SZ = 1031;

export function setNonblocking(fd: number): void {
  syscall("fcntl", [fd, F_SETFL, O_NONBLOCK]);
}

/** Requests a pipe size in bytes; the size is unchanged if the kernel refuses. */
export function setPipeSize(fd: number, bytes: number): void {
  try {
    syscall("fcntl", [fd, F_SETPIPE_SZ, bytes]);
  } catch {
    // over pipe-user-pages-soft: the default size is sufficient
  }
}

/** A copy of a descriptor with at least this number. */
export function duplicateAbove(fd: number, least: number): number {
  return syscall("fcntl", [fd, F_DUPFD_CLOEXEC, least]);
}

const mkfifo = libc.func("mkfifo", "int", ["str", "uint32"]);

/** Creates a FIFO; an existing one is kept. Throws NO_FIFO if the path is another kind of file. */
export function makeFifo(path: string, mode: number): void {
  if (mkfifo(path, mode) === 0 || lstatSync(path).isFIFO()) return;
  throw new BayError("NO_FIFO", `${path} exists and is not a FIFO`);
}
