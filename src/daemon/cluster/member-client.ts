/** Requests of this bayd to other members: JSON answers, and streams of lines. */

import { z } from "zod";
import { BayError, messageOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { receivedError, type SentError } from "../../core/received-error.ts";
import { type Cluster, type Member, unreachable } from "../../host/index.ts";

/** Bytes of an answer, and of one line of a stream. */
const MAX_ANSWER = LIMITS.cluster.answer;

interface AskOptions {
  body?: unknown;
  /** Milliseconds for the whole answer; undefined for no limit. */
  timeout?: number;
  signal?: AbortSignal | undefined;
}

/** Sends a request and calls `take` with each line of the answer. Throws the member's error, HOST_UNREACHABLE. */
export function readLines(
  cluster: Cluster,
  member: Member,
  method: string,
  path: string,
  { body, timeout, signal }: AskOptions,
  take: (line: string) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? "" : JSON.stringify(body);
    const call = cluster.request(member, {
      method,
      path,
      headers: {
        host: member.name,
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text),
      },
    });
    const fail = (cause: unknown) => {
      clearTimeout(timer);
      reject(cause instanceof BayError ? cause : unreachable(member, messageOf(cause), cause));
    };
    const timer =
      timeout === undefined
        ? undefined
        : setTimeout(() => call.destroy(new Error(`no answer within ${timeout / 1000} s`)), timeout);
    const abort = () => call.destroy(new BayError("ABORTED", "the client disconnected"));
    signal?.addEventListener("abort", abort, { once: true });
    call.once("close", () => signal?.removeEventListener("abort", abort));
    call.once("error", fail);
    call.once("response", (response) => {
      let rest = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        rest += part;
        if (rest.length > MAX_ANSWER) return void response.destroy(new Error("its answer is too large"));
        if ((response.statusCode ?? 500) >= 400) return;
        const lines = rest.split("\n");
        rest = lines.pop()!;
        for (const line of lines) if (line) take(line);
      });
      response.once("error", fail);
      response.once("end", () => {
        clearTimeout(timer);
        if ((response.statusCode ?? 500) >= 400) return reject(errorIn(rest));
        if (rest) take(rest);
        resolve();
      });
    });
    call.end(text);
  });
}

const sentError = z.object({
  message: z.string(),
  code: z.string().optional(),
  hint: z.string().optional(),
});

/** The error in a member's answer. */
function errorIn(text: string): BayError {
  try {
    return receivedError(sentError.parse(JSON.parse(text)) as SentError, "HOST_UNREACHABLE");
  } catch {
    return new BayError("HOST_UNREACHABLE", "a host answered with an error that is malformed");
  }
}

/** Sends a request and parses the JSON of the answer. Throws like `readLines`, and HOST_UNREACHABLE if it is malformed. */
export async function askJson(
  cluster: Cluster,
  member: Member,
  method: string,
  path: string,
  options: AskOptions,
): Promise<unknown> {
  const lines: string[] = [];
  await readLines(cluster, member, method, path, options, (line) => lines.push(line));
  try {
    return lines.length === 0 ? undefined : JSON.parse(lines.join("\n"));
  } catch (cause) {
    throw unreachable(member, "its answer is malformed", cause);
  }
}
