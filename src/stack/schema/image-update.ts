/** A service's `x-bay-update`: which newer tags of its image a followed stack uses. */
import { z } from "zod";
import { stringOrNumber } from "./scalars.ts";

export const imageUpdateSchema = z.strictObject({
  policy: z
    .enum(["semver", "newest"], { error: "expected semver or newest" })
    .describe("semver: the highest version in a range; newest: the highest tag by a pattern"),
  range: stringOrNumber.optional().describe("semver: the range of versions, such as ^1.4"),
  pattern: z
    .string()
    .optional()
    .describe("newest: the tags, such as main-*; the highest text or number in the place of * is the newest"),
  interval: z
    .string()
    .optional()
    .describe("Time between two requests to the registry; default: that of the source"),
});
