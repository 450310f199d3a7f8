/** How late bayd's event loop is: what a request waits because of other work. Measured only while a client asks for it. */
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";

/** Milliseconds between two samples; the histogram's values include it. */
const RESOLUTION = 20;
/** Milliseconds without a question after which measuring ends, as it wakes an idle bayd. */
const KEPT = 60_000;

export interface EventLoopDelay {
  /** Samples since the question before. */
  samples: number;
  /** Milliseconds beyond the interval of the samples. */
  mean: number;
  p99: number;
  max: number;
}

let monitor: IntervalHistogram | undefined;
let end: NodeJS.Timeout | undefined;

/** The delay since the question before; the first question begins the measurement, and has no samples. */
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
