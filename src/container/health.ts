/** Health checks (Compose healthcheck, Docker HEALTHCHECK): probes run as execs, and their verdict. */
import type { Host } from "./host.ts";
import type { ContainerRecord, HealthResult, HealthStatus } from "./record.ts";
import { type InsideResult, runInside } from "./run-inside.ts";

const KEPT_RESULTS = 5;
const MAX_OUTPUT = 4096;

/** The probes of one running container. */
export class HealthMonitor {
  status: HealthStatus = "starting";
  failingStreak = 0;
  readonly log: HealthResult[] = [];
  readonly #startedAt = Date.now();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(
    readonly host: Host,
    readonly record: ContainerRecord,
    readonly onChange: (status: HealthStatus) => void,
  ) {
    this.#schedule();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** During the start period probes run at start_interval, then at interval. */
  #schedule(): void {
    if (this.#isStopped) return;
    const { intervalMs, startIntervalMs, startPeriodMs } = this.record.config.health!;
    const isStarting = this.status === "starting" && Date.now() - this.#startedAt < startPeriodMs;
    const wait = isStarting ? Math.min(startIntervalMs, intervalMs) : intervalMs;
    this.#timer = setTimeout(() => void this.#probe().finally(() => this.#schedule()), wait);
  }

  async #probe(): Promise<void> {
    const { config } = this.record;
    const start = new Date();
    const { exitCode, output } = await this.#run();
    if (this.#isStopped) return;
    this.log.push({ start: start.toISOString(), end: new Date().toISOString(), exitCode, output });
    if (this.log.length > KEPT_RESULTS) this.log.shift();
    const before = this.status;
    if (exitCode === 0) {
      this.failingStreak = 0;
      this.status = "healthy";
    } else if (this.status !== "starting" || Date.now() - this.#startedAt >= config.health!.startPeriodMs) {
      this.failingStreak += 1;
      if (this.failingStreak >= config.health!.retries) this.status = "unhealthy";
    }
    if (this.status !== before) this.onChange(this.status);
  }

  #run(): Promise<InsideResult> {
    const { health } = this.record.config;
    const [kind, ...rest] = health!.test;
    const args = kind === "CMD-SHELL" ? ["/bin/sh", "-c", rest.join(" ")] : rest;
    const limits = { timeoutMs: health!.timeoutMs, maxOutput: MAX_OUTPUT };
    return runInside(this.host, this.record, { args }, limits);
  }
}
