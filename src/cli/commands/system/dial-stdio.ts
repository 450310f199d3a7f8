/** `bay dial-stdio`: joins standard input and output with bayd, for clients of other hosts (`ssh HOST bay dial-stdio`). */
import { createReadStream, createWriteStream, fstatSync } from "node:fs";
import { Socket } from "node:net";
import type { Duplex, Readable, Writable } from "node:stream";
import { ANNOUNCEMENT } from "../../../daemon/index.ts";
import type { Context } from "../../context.ts";

const [STDIN, STDOUT] = [0, 1];

/** Each direction ends by itself. Ends when bayd has closed the connection, or when the other side has disconnected. */
export async function dialStdio(
  context: Context,
  _args: string[],
  options: { announce?: boolean },
): Promise<number> {
  const socket = await (await context.client()).connect();
  if (options.announce) process.stderr.write(ANNOUNCEMENT);
  const code = await joined(socket, inputOf(STDIN), outputOf(STDOUT));
  // the rest of the input is not read any more
  setImmediate(() => process.exit(code));
  return code;
}

/** process.stdin and process.stdout cannot be closed, so the descriptors are opened as streams of their own. */
function inputOf(fd: number): Readable {
  const stat = fstatSync(fd);
  return stat.isFile() || stat.isCharacterDevice()
    ? createReadStream("", { fd })
    : new Socket({ fd, readable: true, writable: false });
}

function outputOf(fd: number): Writable {
  const stat = fstatSync(fd);
  return stat.isFile() || stat.isCharacterDevice()
    ? createWriteStream("", { fd })
    : new Socket({ fd, readable: false, writable: true });
}

function joined(socket: Duplex, input: Readable, output: Writable): Promise<number> {
  return new Promise((resolve) => {
    let stop: () => void = () => {};
    const end = (code: number) => {
      stop();
      socket.destroy();
      resolve(code);
    };
    socket.on("error", (error) => {
      process.stderr.write(`bay dial-stdio: ${error.message}\n`);
      end(1);
    });
    input.on("error", () => end(1));
    output.on("error", () => end(0)); // the other side has disconnected
    input.once("end", () => {
      stop = watchOutput(() => end(0));
    });
    // the end of bayd's output does not end the input
    socket.once("close", () => {
      if (output.writableFinished || !socket.readableEnded) end(output.writableFinished ? 0 : 1);
      else output.once("finish", () => end(0));
    });
    input.pipe(socket);
    socket.pipe(output);
  });
}

/** Milliseconds between checks. */
const LOOK_INTERVAL = 1000;

/**
 * After the end of the input, only poll(2) shows that the other side reads no more: a half-closed connection may be quiet for
 * hours, as `logs -f` of a quiet container. POLLERR of a pipe means that it has no reader (pipe(7)).
 */
function watchOutput(gone: () => void): () => void {
  const timer = setInterval(async () => {
    const { hungUp } = await import("../../../linux/index.ts");
    if (hungUp([STDOUT])[0]) gone();
  }, LOOK_INTERVAL);
  return () => clearInterval(timer);
}
