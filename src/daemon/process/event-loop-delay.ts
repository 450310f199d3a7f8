/**
 * The delay of bayd's event loop: how long a request waits because of other work. Measured only while a client requests it.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";

/** Milliseconds between two samples; the histogram's values include it. */
const RESOLUTION = 20;
/** Milliseconds without a request after which measuring stops, because it wakes an idle bayd. */
const KEPT = 60_000;

export interface EventLoopDelay {
  /** Samples since the previous request. */
  samples: number;
  /** Milliseconds in addition to the sampling interval. */
  mean: number;
  p99: number;
  max: number;
}

let monitor: IntervalHistogram | undefined;
let end: NodeJS.Timeout | undefined;

/** The delay since the previous request; the first one starts the measurement, and has no samples. */
export function eventLoopDelay(): EventLoopDelay {
  clearTimeout(end);
  end = setTimeout(() => {
    monitor?.disable();
    monitor = undefined;
  }, KEPT);
  end.unref();
  if (!monitor) {
    monitor = monitorEventLoopDelay({ resolution: RESOLUTION });
    monitor.enable();
  }
  const { count, mean, max } = monitor;
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION);
  const delay =
    count === 0
      ? { samples: 0, mean: 0, p99: 0, max: 0 }
      : { samples: count, mean: late(mean), p99: late(monitor.percentile(99)), max: late(max) };
  monitor.reset();
  return delay;
}
