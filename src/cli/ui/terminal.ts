/** Connecting this terminal to a hijacked connection: raw input, resizing, and Docker's stream frames. */
import type { Duplex } from "node:stream";

export interface SessionOptions {
  tty: boolean;
  stdin: boolean;
  /** Sends the terminal's size to the daemon. */
  resize: (rows: number, columns: number) => void;
}

/** Whether a command of a container gets a terminal: exec and run have one if the user has, unless an option says otherwise. */
export const needsTerminal = (options: { tty?: boolean; TTY?: boolean; detach?: boolean }): boolean =>
  options.tty !== false &&
  options.TTY !== false &&
  process.stdin.isTTY === true &&
  process.stdout.isTTY === true &&
  !options.detach;

/** This terminal's size, for a new terminal in a container. */
export function terminalSize(): { height: number; width: number } {
  return { height: process.stdout.rows || 24, width: process.stdout.columns || 80 };
}

/** Resolves when the other side ends. */
export async function runSession(socket: Duplex, options: SessionOptions): Promise<void> {
  const onResize = () => {
    const { height, width } = terminalSize();
    options.resize(height, width);
  };
  const isRaw = options.tty && options.stdin && process.stdin.isTTY;
  const leaveRawMode = isRaw
    ? await (await import("./raw-terminal.ts")).enterRawMode(process.stdin.fd, onResize)
    : () => {};
  try {
    await joinStreams(socket, options, onResize);
  } finally {
    leaveRawMode();
  }
}

function joinStreams(socket: Duplex, options: SessionOptions, onResize: () => void): Promise<void> {
  return new Promise((resolve) => {
    const { stdin, stdout, stderr } = process;
    if (options.tty && stdout.isTTY) {
      onResize();
      stdout.on("resize", onResize);
    }
    const onInput = (bytes: Buffer) => socket.write(bytes);
    const onInputEnd = () => socket.end();
    if (options.stdin) {
      stdin.on("data", onInput);
      stdin.on("end", onInputEnd);
      stdin.resume();
    } else socket.end();
    let rest = Buffer.alloc(0);
    socket.on("data", (bytes: Buffer) => {
      if (options.tty) return void stdout.write(bytes);
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= 8 && rest.length >= 8 + rest.readUInt32BE(4)) {
        const end = 8 + rest.readUInt32BE(4);
        (rest[0] === 2 ? stderr : stdout).write(rest.subarray(8, end));
        rest = rest.subarray(end);
      }
    });
    const finish = () => {
      stdout.off("resize", onResize);
      stdin.off("data", onInput);
      stdin.off("end", onInputEnd);
      stdin.pause();
      stdin.unref?.();
      socket.destroy();
      resolve();
    };
    socket.on("end", finish);
    socket.on("error", finish);
    socket.on("close", finish);
  });
}
