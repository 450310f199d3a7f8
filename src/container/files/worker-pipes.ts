/**
 * Pipes between bayd and workers that pack or unpack files. A worker waits in read(2) or write(2) for the other end, and a
 * thread that waits there cannot be terminated: bayd closes the pipes first when it ends.
 */
import { Socket } from "node:net";
import type { Readable } from "node:stream";

const open = new Set<Socket>();

/** bayd's end of a pipe; `closeWorkerPipes` closes it at the latest. */
export function workerPipe(fd: number, direction: "read" | "write"): Socket {
  const stream = new Socket({ fd, readable: direction === "read", writable: direction === "write" });
  stream.on("error", () => {});
  open.add(stream);
  stream.once("close", () => open.delete(stream));
  return stream;
}

/**
 * Sends a stream to a worker, through bayd's end of a pipe. A client that disconnects, before or during the transfer, does not end
 * the stream, so the pipe is closed then. After the end of the stream, its last bytes may still be on their way to the worker.
 * Returns the function that stops sending.
 */
export function feedWorker(source: Readable, pipe: Socket): () => void {
  const cut = () => source.readableEnded || pipe.destroy();
  if (source.destroyed) cut();
  source.on("close", cut);
  source.pipe(pipe);
  return () => {
    source.off("close", cut);
    source.unpipe(pipe);
    source.resume();
    pipe.destroy();
  };
}

/** Interrupts all packing and unpacking. */
export function closeWorkerPipes(): void {
  for (const stream of open) stream.destroy();
}
