/** Metrics of all sources in the text format of Prometheus (version 0.0.4). */
import type { Source } from "../model/source.ts";
import type { LogEntry, Status } from "../model/status.ts";

/** Seconds. */
const BOUNDS = [0.5, 1, 2.5, 5, 10, 30, 60, 300, 900];

interface Histogram {
  counts: number[];
  sum: number;
  count: number;
}

export interface Measured {
  source: Source;
  status: Status;
  isHealthy: boolean;
}

/** Durations are those since the start of bayd; the counters are stored with the sources. */
export class Metrics {
  readonly #durations = new Map<string, Histogram>();

  /** Counts a new entry of a log. */
  note(name: string, { outcome, tookMs }: Omit<LogEntry, "number">): void {
    if (outcome !== "applied") return;
    const known = this.#durations.get(name) ?? { counts: BOUNDS.map(() => 0), sum: 0, count: 0 };
    const seconds = tookMs / 1000;
    for (const [index, bound] of BOUNDS.entries()) if (seconds <= bound) known.counts[index]! += 1;
    known.sum += seconds;
    known.count += 1;
    this.#durations.set(name, known);
  }

  text(measured: readonly Measured[], now: number): string {
    const names = new Set(measured.map(({ source }) => source.name));
    for (const name of this.#durations.keys()) if (!names.has(name)) this.#durations.delete(name);
    const rows = (
      name: string,
      type: "counter" | "gauge",
      help: string,
      read: (each: Measured) => number | undefined,
    ) => [
      `# HELP bay_gitops_${name} ${help}`,
      `# TYPE bay_gitops_${name} ${type}`,
      ...measured.flatMap((each) => {
        const value = read(each);
        return value === undefined ? [] : [`bay_gitops_${name}{source="${each.source.name}"} ${value}`];
      }),
    ];
    const lines = [
      ...rows("syncs_total", "counter", "Commits that were applied.", ({ status }) => status.syncCount),
      ...rows(
        "failures_total",
        "counter",
        "Commits that failed or were refused.",
        ({ status }) => status.failureCount,
      ),
      ...rows("drift_total", "counter", "Manual changes that were found.", ({ status }) => status.driftCount),
      ...rows("unreachable", "gauge", "1 if the last poll failed.", ({ status }) =>
        Number(!!status.unreachable),
      ),
      ...rows("bad_commit", "gauge", "1 if the newest commit is bad.", ({ status }) => Number(!!status.bad)),
      ...rows("suspended", "gauge", "1 if the source is suspended.", ({ source }) =>
        Number(source.suspended),
      ),
      ...rows("healthy", "gauge", "1 if all containers of the stack are healthy.", ({ isHealthy }) =>
        Number(isHealthy),
      ),
      ...rows(
        "applied_timestamp_seconds",
        "gauge",
        "When the last commit was applied.",
        ({ status }) => status.applied && Date.parse(status.applied.at) / 1000,
      ),
      ...rows(
        "lag_seconds",
        "gauge",
        "Age of the commit that is being applied or waits; 0 if there is none.",
        ({ status }) => lagOf(status, now),
      ),
    ];
    return `${[...lines, ...this.#histogram()].join("\n")}\n`;
  }

  #histogram(): string[] {
    const name = "bay_gitops_apply_duration_seconds";
    return [
      `# HELP ${name} Time from the start of an attempt to a healthy stack.`,
      `# TYPE ${name} histogram`,
      ...[...this.#durations].flatMap(([source, { counts, sum, count }]) => [
        ...BOUNDS.map((bound, index) => `${name}_bucket{source="${source}",le="${bound}"} ${counts[index]}`),
        `${name}_bucket{source="${source}",le="+Inf"} ${count}`,
        `${name}_sum{source="${source}"} ${sum}`,
        `${name}_count{source="${source}"} ${count}`,
      ]),
    ];
  }
}

function lagOf({ attempt, pending }: Status, now: number): number {
  const commit = attempt?.commit ?? pending?.commit;
  const at = commit ? Date.parse(commit.committedAt) : Number.NaN;
  return Number.isNaN(at) ? 0 : Math.max(0, Math.round((now - at) / 1000));
}
