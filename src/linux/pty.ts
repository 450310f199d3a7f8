/** Copies the master of a container's pty from the shim that keeps it (pidfd_getfd(2), ioctl_tty(2)). */
import { BayError } from "../core/errors.ts";
import { close, syscall } from "./libc.ts";
import { openProcess } from "./process.ts";

const TIOCSWINSZ = 0x5414;
const TIOCGPTN = 0x80045430;

/** A copy of another process's descriptor. Throws if the process has ended or the descriptor is not a pty master. */
export function takePtyMaster(pid: number, start: number, fd: number): number {
  const pidfd = openProcess(pid, start);
  if (pidfd === undefined)
    throw new BayError("NO_TERMINAL", "the process that holds the terminal has exited");
  try {
    const master = syscall("pidfd_getfd", [pidfd, fd, 0], "take the terminal");
    // the container opened it, so it is checked
    syscall("ioctl", [master, TIOCGPTN, Buffer.alloc(8)], "the terminal is not a pty");
    return master;
  } finally {
    close(pidfd);
  }
}

export function resizePty(fd: number, rows: number, columns: number): void {
  const size = Buffer.alloc(8);
  size.writeUInt16LE(Math.min(rows, 65535), 0);
  size.writeUInt16LE(Math.min(columns, 65535), 2);
  syscall("ioctl", [fd, TIOCSWINSZ, size], "resize the terminal");
}
