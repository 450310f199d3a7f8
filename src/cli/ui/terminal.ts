/** Joining this terminal with a hijacked connection: raw input, resize, and Docker's frames taken apart. */
import type { Duplex } from "node:stream";

export interface SessionOptions {
  tty: boolean;
  stdin: boolean;
  /** Tells the daemon the terminal's size. */
  resize: (rows: number, columns: number) => void;
}

/** Resolves when the other side ends. */
export function runSession(socket: Duplex, options: SessionOptions): Promise<void> {
  return new Promise((resolve) => {
    const { stdin, stdout, stderr } = process;
    const isRaw = options.tty && options.stdin && stdin.isTTY;
    const onResize = () => options.resize(stdout.rows ?? 24, stdout.columns ?? 80);
    if (isRaw) stdin.setRawMode(true);
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
      if (isRaw) stdin.setRawMode(false);
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
