/** What runs in a container: health checks, hooks, env files, limits of processes, and `develop:`. */
import { z } from "zod";
import { boolean, duration, integer, listOrMap, stringOrNumber, strings } from "./scalars.ts";

export const healthcheck = z.strictObject({
  test: z
    .union([z.string(), z.array(z.string())], { error: "expected a command as a string or list" })
    .optional(),
  interval: duration.optional(),
  timeout: duration.optional(),
  retries: integer.optional(),
  start_period: duration.optional(),
  start_interval: duration.optional(),
  disable: boolean.optional(),
});

export const envFile = z.union(
  [
    z.string(),
    z.array(
      z.union([
        z.string(),
        z.strictObject({
          path: z.string(),
          required: boolean.optional(),
          format: z.enum(["raw"]).optional(),
        }),
      ]),
    ),
  ],
  { error: "expected a path or a list of paths" },
);

export const ulimit = z.union([integer, z.strictObject({ soft: integer, hard: integer })], {
  error: "expected a number, or soft and hard",
});

export const hook = z.strictObject({
  command: z.union([z.string(), z.array(stringOrNumber)]),
  user: stringOrNumber.optional(),
  privileged: boolean.optional(),
  working_dir: z.string().optional(),
  environment: listOrMap.optional(),
});
export const hooks = z.array(hook);

/** The configuration of `bay watch`; `up` without --watch ignores it. */
export const develop = z.strictObject({
  watch: z
    .array(
      z.strictObject({
        path: z.string(),
        action: z.enum(["rebuild", "sync", "restart", "sync+restart", "sync+exec"]),
        target: z.string().optional(),
        ignore: strings.optional(),
        include: strings.optional(),
        initial_sync: boolean.optional(),
        exec: hook.optional(),
      }),
    )
    .optional(),
});

export const deviceRates = z.array(z.strictObject({ path: z.string(), rate: stringOrNumber }));
