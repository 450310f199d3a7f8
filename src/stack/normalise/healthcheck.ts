/** Health checks of services and images. */

import { parseDuration } from "../../core/durations.ts";
import type { Healthcheck } from "../model/stack.ts";
import type { ServiceInput } from "../schema/schema.ts";
import { optionalNumber, truth } from "./service-reader.ts";

/** Converts the units of a healthcheck; used for services and images. */
export function readHealthcheck(
  input: NonNullable<ServiceInput["healthcheck"]>,
  bad: (path: string[], message: string) => void,
): Healthcheck {
  const time = (key: "interval" | "timeout" | "start_period" | "start_interval") => {
    const value = input[key];
    if (value === undefined) return undefined;
    const parsed = parseDuration(value);
    if (parsed === undefined) bad([key], `expected a duration such as 10s, got ${JSON.stringify(value)}`);
    return parsed;
  };
  let test = typeof input.test === "string" ? ["CMD-SHELL", input.test] : input.test;
  if (truth(input.disable)) test = ["NONE"];
  if (test && !["CMD", "CMD-SHELL", "NONE"].includes(test[0] ?? ""))
    bad(["test"], "the first item must be CMD, CMD-SHELL or NONE");
  return {
    test,
    intervalMs: time("interval"),
    timeoutMs: time("timeout"),
    startPeriodMs: time("start_period"),
    startIntervalMs: time("start_interval"),
    retries: optionalNumber(input.retries),
  };
}
