/** Reads bodies and queries of requests, with a limit of bytes and time, and parses them by a schema. */

import type { IncomingMessage } from "node:http";
import type { z } from "zod";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";

/** Reads the whole body. Throws BODY_TOO_LARGE and BODY_TOO_SLOW. */
export async function readBody(
  request: IncomingMessage,
  limit: number = LIMITS.request.body,
): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > limit) throw tooLarge(limit);
  const parts: Buffer[] = [];
  let size = 0;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    request.destroy();
  }, LIMITS.request.bodyTime);
  try {
    for await (const part of request) {
      size += (part as Buffer).length;
      if (size > limit) throw tooLarge(limit);
      parts.push(part as Buffer);
    }
  } catch (cause) {
    if (cause instanceof BayError) throw cause;
    throw isLate
      ? new BayError(
          "BODY_TOO_SLOW",
          `the body did not arrive within ${LIMITS.request.bodyTime / 1000} seconds`,
        )
      : new BayError("BAD_REQUEST", "the connection closed before the end of the body", { cause });
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(parts);
}

const tooLarge = (limit: number) => new BayError("BODY_TOO_LARGE", `the body is larger than ${limit} bytes`);

/** Parses JSON of bounded depth and breadth; an empty body is an empty object. Throws BAD_REQUEST. */
export function parseJson(bytes: Buffer, what = "the body"): unknown {
  if (bytes.length === 0) return {};
  checkDepth(bytes, what);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new BayError("BAD_REQUEST", `${what} is not valid JSON`, { cause });
  }
  checkBreadth(value, what);
  return value;
}

const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [
  0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d,
] as const;

/** Before the parser, because code that walks the value later is recursive. */
function checkDepth(bytes: Buffer, what: string): void {
  let depth = 0;
  let isText = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (isText) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) isText = false;
    } else if (byte === QUOTE) isText = true;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      depth += 1;
      if (depth > LIMITS.request.depth)
        throw new BayError("BAD_REQUEST", `${what} is nested deeper than ${LIMITS.request.depth} levels`);
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth -= 1;
  }
}

function checkBreadth(value: unknown, what: string): void {
  if (typeof value !== "object" || value === null) return;
  const children = Object.values(value);
  if (children.length > LIMITS.request.entries)
    throw new BayError(
      "BAD_REQUEST",
      `${what} has a list or an object of more than ${LIMITS.request.entries} entries`,
    );
  // schemas do not see this key, so it would be ignored
  if (Object.hasOwn(value, "__proto__")) throw new BayError("BAD_REQUEST", `${what} has the key __proto__`);
  for (const child of children) checkBreadth(child, what);
}

/** Like Go's decoder, treats null as absent. Maps such as labels keep their keys. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, child]) => child !== null && child !== undefined);
  return Object.fromEntries(entries.map(([key, child]) => [key, withoutNulls(child)]));
}

/** The path of a text or a key with NUL, at which the kernel ends names, paths and arguments. */
function placeOfNul(value: unknown): string[] | undefined {
  if (typeof value === "string") return value.includes("\0") ? [] : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, child] of Object.entries(value)) {
    const below = key.includes("\0") ? [] : placeOfNul(child);
    if (below) return [key.replaceAll("\0", "\\0"), ...below];
  }
  return undefined;
}

/**
 * Parses a value from outside by its schema; null counts as absent, and no text has NUL. Throws BAD_REQUEST, which names
 * the field and what is expected.
 */
export function parseWith<S extends z.ZodType>(schema: S, value: unknown, what = "the body"): z.output<S> {
  const place = placeOfNul(value);
  if (place !== undefined)
    throw new BayError("BAD_REQUEST", `${place.join(".") || what}: a NUL character is not allowed`);
  const parsed = schema.safeParse(withoutNulls(value) ?? {});
  if (parsed.success) return parsed.data;
  throw new BayError("BAD_REQUEST", issueText(parsed.error.issues, what));
}

/** The first problems in one line of text. */
export function issueText(
  issues: readonly { path: PropertyKey[]; message: string }[],
  what = "the body",
): string {
  const lines = issues.slice(0, 5).map(({ path, message }) => {
    const place = path.length > 0 ? path.map(String).join(".") : what;
    return `${place}: ${message.replace(/^Invalid input: /, "")}`;
  });
  return lines.join("; ").slice(0, 2000);
}
