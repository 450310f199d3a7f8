/** What routes have in common that take or give much: lines of progress, archives, bodies in files. */
import { rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { BayError } from "../../../core/errors.ts";
import { requireRoom } from "../../../store/index.ts";
import { streamError } from "../error-status.ts";
import { type Call, goneSignal, startStream } from "../http.ts";
import { drained } from "./log-stream.ts";

/** Writes lines of progress; the signal is aborted when the client goes away. */
type Action = (write: (value: unknown) => void, signal: AbortSignal) => Promise<void>;

/**
 * Lets an action use a temporary file for the body of the request, which is written to it first unless `hasBody` is
 * false, and streams what the action says. The file is removed before the answer ends: a client that reads the end, or
 * an error, finds its room free. Throws DISK_FULL before the answer begins.
 */
export async function withBodyFile(
  call: Call,
  { file, hasBody = true }: { file: string; hasBody?: boolean },
  action: Action,
): Promise<void> {
  const clean = () => rmSync(file, { force: true });
  try {
    if (hasBody) await receive(call, file);
    await streamed(call, action, clean);
  } finally {
    clean();
  }
}

/**
 * A stream as Docker's: lines of progress, an error at its end where there is one. `clean` removes what the request needed,
 * before the answer ends.
 */
export async function streamed(call: Call, action: Action, clean: () => void = () => {}): Promise<void> {
  const write = startStream(call.response);
  try {
    await action(write, goneSignal(call.response));
  } catch (error) {
    write(streamError(error));
  }
  clean();
  call.response.end();
}

/** An archive as the answer, piece by piece, as fast as the client takes it. */
export async function sendArchive(
  response: Call["response"],
  write: (put: (bytes: Buffer) => Promise<void>) => Promise<void>,
): Promise<void> {
  response.writeHead(200, { "Content-Type": "application/x-tar" });
  try {
    await write(async (bytes) => {
      if (response.destroyed) throw new BayError("ABORTED", "the client disconnected");
      if (!response.write(bytes)) await drained(response);
    });
    response.end();
  } catch {
    // an archive that ends without its end is seen by the client
    response.destroy();
  }
}

/** So often the disk is looked at. */
const LOOK_EVERY = 4 << 20;

/** Writes the body to a file. Not by pipeline(), which closes the connection with the request. Throws DISK_FULL. */
async function receive({ request }: Call, path: string): Promise<void> {
  const folder = dirname(path);
  const file = await open(path, "wx", 0o600);
  let [size, looked] = [0, 0];
  try {
    // a stream that ended with the loop would take the connection with it, and the client would not see the answer
    for await (const part of request.iterator({ destroyOnReturn: false })) {
      if (size >= looked) {
        requireRoom(folder);
        looked = size + LOOK_EVERY;
      }
      await file.write(part as Buffer);
      size += (part as Buffer).length;
    }
  } finally {
    await file.close();
  }
}
