/** A health check, of a service or an image, as the mapping of a Compose file. */
import { formatDuration } from "../../core/durations.ts";
import { filled, type Mapping } from "./canonical-values.ts";
import type { Healthcheck } from "./service.ts";

export function composeHealthcheck({ test, retries, ...times }: Healthcheck): Mapping {
  return filled({
    test,
    interval: formatDuration(times.intervalMs),
    timeout: formatDuration(times.timeoutMs),
    retries,
    start_period: formatDuration(times.startPeriodMs),
    start_interval: formatDuration(times.startIntervalMs),
  });
}
