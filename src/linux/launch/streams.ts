/**
 * The standard streams of a container's process. Each is its own FIFO or pipe, a pty of the container's devpts, or the
 * container's null device: never an inode of the host's /dev, whose owner and mode root in the container could change.
 */
import * as abi from "../abi.ts";
import type { ProgramBuilder } from "../program.ts";
import type { Spec } from "../spec.ts";
import { attach, makeMountPoint, openInContainer, requireFileSystem } from "./container-paths.ts";
import { FD, moveTo, NEXT_PASSING, PASSING, resultAs } from "./descriptors.ts";
import type { Stdio } from "./request.ts";

const TIOCSCTTY = 0x540e;
const TIOCSPTLCK = 0x40045431;
const TIOCGPTPEER = 0x5441;
const TIOCSWINSZ = 0x5414;
const O_RDWR_NOCTTY = abi.O_RDWR | abi.O_NOCTTY;
const STREAMS = [0, 1, 2] as const;

/** Adds the streams that are FIFOs, which are opened by host paths, or descriptors of the caller. */
export function addGivenStreams(program: ProgramBuilder, stdio: Stdio): void {
  if (stdio.kind === "tty") return;
  if (stdio.kind === "fifos") {
    // Read and write, so that opening does not block and a reader does not see the end before bayd closes.
    const input = stdio.stdinEnds ? abi.O_RDONLY : abi.O_RDWR;
    const paths = [stdio.stdin, stdio.stdout, stdio.stderr];
    for (const stream of STREAMS) {
      const path = paths[stream];
      if (path === undefined) continue;
      const flags = (stream === 0 ? input : abi.O_WRONLY) | abi.O_CLOEXEC;
      program.call("openat", [abi.AT_FDCWD, path, flags, 0], { about: `open ${path}` });
      moveTo(program, stream, 0, { about: `set up stream ${stream}` });
    }
    return;
  }
  const given = [stdio.stdin, stdio.stdout, stdio.stderr];
  for (const stream of STREAMS)
    if (given[stream] !== null)
      program.call("dup3", [FD.stdin + stream, stream, 0], { about: `set up stream ${stream}` });
  program.call("close_range", [FD.stdin, FD.stderr, 0]);
}

/** Adds the container's null device for streams that were not given. */
export function addNullStreams(program: ProgramBuilder, stdio: Stdio): void {
  for (const stream of emptyStreams(stdio))
    program.call("dup3", [FD.null, stream, 0], { about: `set up stream ${stream}` });
}

/**
 * The same for an exec, where the container controls its /dev: a pipe without another end, from which end of file is read,
 * and to which nothing can be written. It belongs to the user, who may open /dev/stdin.
 */
export function addEmptyStreams(program: ProgramBuilder, stdio: Stdio, owner: Spec["process"]["user"]): void {
  for (const stream of emptyStreams(stdio)) {
    const about = `set up stream ${stream}`;
    program.call("pipe2", [Buffer.alloc(8), abi.O_CLOEXEC], { about });
    const [used, other] = stream === 0 ? [PASSING, NEXT_PASSING] : [NEXT_PASSING, PASSING];
    program.call("fchown", [used, owner.uid, owner.gid], { about });
    program.call("dup3", [used, stream, 0], { about });
    program.call("close", [used]);
    program.call("close", [other]);
  }
}

function emptyStreams(stdio: Stdio): number[] {
  if (stdio.kind === "tty") return [];
  if (stdio.kind === "fifos") return stdio.stdin === undefined ? [0] : [];
  const given = [stdio.stdin, stdio.stdout, stdio.stderr];
  return STREAMS.filter((stream) => given[stream] === null);
}

/** Opens a pty of the container's devpts as streams 0 to 2 and lets the shim take the master (pts(4)). */
export function addTty(program: ProgramBuilder, size: { height: number; width: number } | undefined): void {
  const window = Buffer.alloc(8);
  window.writeUInt16LE(size?.height ?? 24, 0);
  window.writeUInt16LE(size?.width ?? 80, 2);
  const byte = program.data(Buffer.alloc(8));
  const about = "open the pty";
  openInContainer(program, "/dev/pts/ptmx", O_RDWR_NOCTTY | abi.O_NONBLOCK, { noSymlinks: true, about });
  requireFileSystem(program, "devpts", about);
  moveTo(program, FD.ptyMaster, abi.O_CLOEXEC, { about });
  program.call("ioctl", [FD.ptyMaster, TIOCSPTLCK, Buffer.alloc(8)], { about: "unlock the pty" });
  program.call("ioctl", [FD.ptyMaster, TIOCSWINSZ, window], { about: "set the size of the pty" });
  resultAs(program, FD.ptySlave, () => {
    program.call("ioctl", [FD.ptyMaster, TIOCGPTPEER, O_RDWR_NOCTTY | abi.O_CLOEXEC], { about });
  });
  program.call("write", [FD.ttyReadyWrite, byte, 1], { about: "hand over the pty" });
  program.call("read", [FD.ttyTakenRead, byte, 1], { about: "hand over the pty" });
  for (const fd of STREAMS) program.call("dup3", [FD.ptySlave, fd, 0], { about: `set up stream ${fd}` });
  program.call("close", [FD.ptyMaster]);
}

/** Binds the container's pty to /dev/console (OCI config-linux.md, default devices). */
export function addConsole(program: ProgramBuilder): void {
  const [path, about] = ["/dev/console", "mount /dev/console"];
  makeMountPoint(program, path, true, about);
  const flags = abi.OPEN_TREE_CLONE | abi.AT_EMPTY_PATH | abi.OPEN_TREE_CLOEXEC;
  program.call("open_tree", [FD.ptySlave, "", flags], { about });
  openInContainer(program, path, abi.O_PATH, { noSymlinks: true, about });
  attach(program, PASSING, NEXT_PASSING, about);
}

/** Creates a session and, with a tty, sets its controlling terminal (setsid(2), ioctl_tty(2)). */
export function addSession(program: ProgramBuilder, tty: boolean): void {
  program.call("setsid", [], { ignore: true });
  if (tty) program.call("ioctl", [0, TIOCSCTTY, 0], { about: "take the terminal" });
}
