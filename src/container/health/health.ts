/** Health checks (Compose healthcheck, Docker HEALTHCHECK): probes run as execs, and their verdict. */

import { LIMITS } from "../../core/limits.ts";
import { isAlive } from "../../linux/index.ts";
import { type InsideResult, runInside } from "../exec/run-inside.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord, HealthResult, HealthStatus } from "../model/record.ts";

const KEPT_RESULTS = 5;
const MAX_OUTPUT = LIMITS.container.probeOutput;
/** The first pause in milliseconds between probes while a client waits for the container to be healthy. */
const FIRST_PAUSE = 100;
const MAX_PAUSE = 1000;

/** The probes of one running container. */
export class HealthMonitor {
  status: HealthStatus = "starting";
  failingStreak = 0;
  readonly log: HealthResult[] = [];
  readonly #startedAt = Date.now();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  #isHurried = false;
  #isProbing = false;
  /** The time of the next probe that counts. */
  #dueAt = 0;
  #pause = FIRST_PAUSE;

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

  /**
   * Called when a client waits: until the container is healthy it is also probed in between; failures of those do not count.
   */
  hurry(): void {
    if (this.#isHurried || this.status !== "starting") return;
    this.#isHurried = true;
    clearTimeout(this.#timer);
    if (!this.#isProbing) this.#schedule();
  }

  /** Schedules the next probe: during the start period at start_interval, then at interval. */
  #schedule(): void {
    if (this.#isStopped) return;
    const { intervalMs, startIntervalMs, startPeriodMs } = this.record.config.health!;
    const isStarting = this.status === "starting" && Date.now() - this.#startedAt < startPeriodMs;
    const wait = isStarting ? Math.min(startIntervalMs, intervalMs) : intervalMs;
    this.#dueAt ||= Date.now() + wait;
    const left = Math.max(0, this.#dueAt - Date.now());
    const isEarly = this.#isHurried && this.status === "starting" && left > this.#pause;
    this.#timer = setTimeout(
      () => {
        this.#isProbing = true;
        if (!isEarly) this.#dueAt = 0;
        void this.#probe(isEarly).finally(() => {
          this.#isProbing = false;
          this.#schedule();
        });
      },
      isEarly ? this.#pause : left,
    );
    if (isEarly) this.#pause = Math.min(this.#pause * 2, MAX_PAUSE);
  }

  async #probe(isEarly: boolean): Promise<void> {
    const { config } = this.record;
    const start = new Date();
    const { exitCode, output } = await this.#run();
    if (this.#isStopped || (isEarly && exitCode !== 0)) return;
    const { pid, start: startTime } = this.record.state;
    // the container has ended, so this is not a result of the probe; the end is recorded a moment later
    if (exitCode !== 0 && !isAlive(pid, startTime)) return;
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
