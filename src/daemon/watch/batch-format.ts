/** Reads and checks the body of a sync request (protocol.ts). */
import { z } from "zod";
import { BayError } from "../../core/errors.ts";
import type { SyncOperation } from "../../image/index.ts";
import { parseJson, parseWith } from "../api/request-body.ts";
import { MOST_BYTES, MOST_OPERATIONS } from "./protocol.ts";

const path = z
  .string()
  .max(4096)
  .refine(
    (text) =>
      /^\/([^/]+(\/[^/]+)*)?$/.test(text) && !/(^|\/)\.{1,2}(\/|$)/.test(text) && !text.includes("\0"),
    {
      error: "expected an absolute path without . and ..",
    },
  );
const mode = z.number().int().min(0).max(0o7777);
const size = z.number().int().min(0).max(MOST_BYTES);
const token = z.string().regex(/^[0-9a-f]{12}$/);
const operation = z.discriminatedUnion("op", [
  z.strictObject({ op: z.literal("directory"), path, mode, isRoot: z.boolean().optional() }),
  z.strictObject({ op: z.literal("file"), path, mode, size, isRoot: z.boolean().optional() }),
  z.strictObject({
    op: z.literal("part"),
    path,
    size,
    offset: z
      .number()
      .int()
      .min(0)
      .max(2 ** 48),
    token,
  }),
  z.strictObject({ op: z.literal("finish"), path, mode, token, isRoot: z.boolean().optional() }),
  z.strictObject({
    op: z.literal("link"),
    path,
    to: z
      .string()
      .min(1)
      .max(4095)
      .refine((text) => !text.includes("\0"), { error: "has a NUL byte" }),
    isRoot: z.boolean().optional(),
  }),
  z.strictObject({ op: z.literal("remove"), path, root: path }),
]);
const operations = z.array(operation).max(MOST_OPERATIONS);

/** Reads a batch. Throws BAD_REQUEST. */
export function readBatch(body: Buffer): { operations: SyncOperation[]; bytes: Buffer } {
  const length = body.length < 4 ? -1 : body.readUInt32BE(0);
  if (length < 0 || 4 + length > body.length)
    throw new BayError("BAD_REQUEST", "the batch is shorter than its header says");
  const found = parseWith(operations, parseJson(body.subarray(4, 4 + length)));
  const bytes = body.subarray(4 + length);
  const sum = found.reduce((total, each) => total + ("size" in each ? each.size : 0), 0);
  if (sum !== bytes.length)
    throw new BayError(
      "BAD_REQUEST",
      `the batch has ${bytes.length} bytes of contents, its operations name ${sum}`,
    );
  return { operations: found, bytes };
}
