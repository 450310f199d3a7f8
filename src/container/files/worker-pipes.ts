/**
 * Pipes between bayd and workers that pack or unpack files. A worker waits in read(2) or write(2) for the other end, and a
 * thread that waits there cannot be terminated: bayd closes the pipes first when it ends.
 */
import { Socket } from "node:net";

const open = new Set<Socket>();

/** bayd's end of a pipe; `closeWorkerPipes` closes it at the latest. */
export function workerPipe(fd: number, direction: "read" | "write"): Socket {
  const stream = new Socket({ fd, readable: direction === "read", writable: direction === "write" });
  stream.on("error", () => {});
  open.add(stream);
  stream.once("close", () => open.delete(stream));
  return stream;
}

/** Interrupts all packing and unpacking. */
export function closeWorkerPipes(): void {
  for (const stream of open) stream.destroy();
}
