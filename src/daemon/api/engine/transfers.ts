/** Shared by routes with large transfers: lines of progress, archives, bodies in files. */
import { rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { BayError } from "../../../core/errors.ts";
import { requireRoom } from "../../../store/index.ts";
import { streamError } from "../error-status.ts";
import { type Call, goneSignal, startStream } from "../http.ts";
import { drained } from "./log-stream.ts";

/** Writes lines of progress; the signal is aborted when the client disconnects. */
type Action = (write: (value: unknown) => void, signal: AbortSignal) => Promise<void>;

/**
 * Runs an action with a temporary file, to which the body of the request is written first unless `hasBody` is false, and
 * streams its output. The file is removed before the response ends, so that a client that reads the end, or an error, finds
 * the space free. Throws DISK_FULL before the response begins.
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
 * Streams as Docker does: lines of progress, and an error at the end if there is one. `clean` removes what the request
 * needed, before the response ends.
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

/** Sends an archive as the response, in pieces, as fast as the client receives it. */
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
    // so that the client notices the truncated archive
    response.destroy();
  }
}

/** Bytes between two checks of the free disk space. */
const LOOK_EVERY = 4 << 20;

/** Writes the body to a file. Without pipeline(), which would close the connection with the request. Throws DISK_FULL. */
async function receive({ request }: Call, path: string): Promise<void> {
  const folder = dirname(path);
  const file = await open(path, "wx", 0o600);
  let [size, looked] = [0, 0];
  try {
    // by default the loop destroys the stream and with it the connection, and the client would not get the response
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
