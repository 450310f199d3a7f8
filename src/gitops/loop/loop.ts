/** The loop in bayd: polls every source at its interval, and repairs drift soon after a change of its containers. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { hasCode, messageOf } from "../../core/errors.ts";
import type { AskedAt } from "../images/find-updates.ts";
import type { Source } from "../model/source.ts";
import { sweepVersions } from "../read/bind-sources.ts";
import { checkDrift } from "./drift.ts";
import { bindFolders, type FollowServices, followOnce } from "./follower.ts";

const TICK = 500;
const MAX_PARALLEL = 4;
const LONGEST_PAUSE = 15 * 60_000;
/** Milliseconds after a change of a container until drift is looked for. */
const SETTLED = 500;
const DRIFT_INTERVAL = 60_000;

interface Turn {
  nextAt: number;
  /** A request to poll now; several become one. */
  isForced: boolean;
  /** A webhook has told of a push: what the repository said before is not current any more. */
  isPushed: boolean;
  running: Promise<void> | undefined;
  driftAt: number;
}

export class GitopsLoop {
  readonly #turns = new Map<string, Turn>();
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  readonly #changed = () => {
    const at = Date.now() + SETTLED;
    for (const turn of this.#turns.values()) turn.driftAt = Math.min(turn.driftAt, at);
  };

  readonly services: FollowServices;
  /** Sources that are being removed. */
  readonly #leaving = new Set<string>();

  /** When registries were asked for newer images, by source. */
  readonly #asked = new Map<string, AskedAt>();

  constructor(services: Omit<FollowServices, "withdraw" | "askedAt">) {
    this.services = {
      ...services,
      withdraw: (name, action) => this.withdraw(name, action),
      askedAt: (name) => {
        const asked: AskedAt = this.#asked.get(name) ?? new Map();
        this.#asked.set(name, asked);
        return asked;
      },
    };
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Removes leftovers of a killed bayd, and begins. */
  start(): void {
    const { repositories, directory, manager } = this.services;
    repositories.sweep();
    for (const name of existsSync(directory) ? readdirSync(directory) : [])
      if (name.startsWith("write-back-")) rmSync(join(directory, name), { recursive: true, force: true });
    rmSync(join(directory, "previews"), { recursive: true, force: true });
    const work = join(directory, "work");
    for (const name of existsSync(work) ? readdirSync(work) : [])
      if (name.endsWith(".new") || !this.services.records.find(name))
        rmSync(join(work, name), { recursive: true, force: true });
    manager.on("changed", this.#changed);
    this.#timer = setInterval(() => this.#tick(), TICK);
    this.#tick();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.services.manager.off("changed", this.#changed);
    this.#stop.abort();
  }

  #turn(name: string): Turn {
    const known = this.#turns.get(name);
    if (known) return known;
    // sources are spread, so that a start of bayd does not ask all repositories at once
    const turn: Turn = {
      nextAt: Date.now(),
      isForced: false,
      isPushed: false,
      running: undefined,
      driftAt: Date.now() + SETTLED,
    };
    this.#turns.set(name, turn);
    return turn;
  }

  #forget(name: string): void {
    this.#turns.delete(name);
    this.#asked.delete(name);
  }

  #tick(): void {
    const now = Date.now();
    const sources = this.services.records.sources();
    const names = new Set(sources.map(({ name }) => name));
    for (const name of this.#turns.keys()) if (!names.has(name)) this.#forget(name);
    let running = [...this.#turns.values()].filter((turn) => turn.running).length;
    for (const source of sources) {
      const turn = this.#turn(source.name);
      if (turn.running || running >= MAX_PARALLEL || this.#leaving.has(source.name)) continue;
      if (source.suspended && !turn.isForced) continue;
      if (turn.nextAt <= now || turn.isForced || turn.isPushed) {
        running += 1;
        this.#begin(turn, () => this.#pass(source, turn));
      } else if (turn.driftAt <= now) {
        turn.driftAt = now + DRIFT_INTERVAL;
        running += 1;
        this.#begin(turn, () => checkDrift(this.services, source, this.signal));
      }
    }
  }

  #begin(turn: Turn, action: () => Promise<void>): void {
    turn.running = action()
      .catch((error: unknown) => this.services.log(`gitops: ${messageOf(error)}`))
      .finally(() => {
        turn.running = undefined;
      });
  }

  /** Never throws: a repository that cannot be reached is asked again after growing pauses. */
  async #pass(source: Source, turn: Turn): Promise<void> {
    const { records } = this.services;
    const { isForced, isPushed } = turn;
    turn.isForced = false;
    turn.isPushed = false;
    let pause = source.interval;
    try {
      await followOnce(this.services, source, { isForced, isPushed, signal: this.signal });
      this.#sweep(source);
    } catch (error) {
      if (this.signal.aborted) return;
      pause = this.#noteFailure(source, error);
    }
    if (!records.find(source.name)) return;
    const [now, next] = [Date.now(), Date.now() + pause];
    turn.nextAt = next;
    turn.driftAt = Math.min(turn.driftAt, now + SETTLED);
    this.#polled.set(source.name, { at: now, next });
  }

  readonly #polled = new Map<string, { at: number; next: number }>();

  /** When a source was polled, and when it is polled again. Kept in memory, so that polling does not write to the disk. */
  polls(name: string): { lastPollAt?: string; nextPollAt?: string } {
    const polled = this.#polled.get(name);
    if (!polled) return {};
    return { lastPollAt: new Date(polled.at).toISOString(), nextPollAt: new Date(polled.next).toISOString() };
  }

  #noteFailure(source: Source, error: unknown): number {
    const { records, log } = this.services;
    const status = records.status(source.name);
    const message = messageOf(error).slice(0, 2000);
    const failures = (status.unreachable?.failures ?? 0) + 1;
    const at = new Date().toISOString();
    const isNew = status.unreachable?.message !== message;
    const since = status.unreachable?.since ?? at;
    const { id } = status.applied ?? {};
    if (isNew) log(`gitops ${source.name}: ${message}`);
    records.note(
      source.name,
      { ...status, unreachable: { message, since, failures } },
      isNew
        ? {
            at,
            outcome: "unreachable",
            reason:
              hasCode(error, "NO_GIT_REF") && id ? `${message}; ${id.slice(0, 12)} keeps running` : message,
            tookMs: 0,
          }
        : undefined,
    );
    return Math.min(source.interval * 2 ** Math.min(failures, 10), Math.max(LONGEST_PAUSE, source.interval));
  }

  #sweep({ name }: Source): void {
    const { records, stacks, directory } = this.services;
    const { project, attempt } = records.status(name);
    if (project === undefined || attempt) return;
    sweepVersions(
      bindFolders(directory, name).versions,
      stacks.history.list(project).map(({ stack }) => stack),
    );
  }

  /** Polls a source now, after a pass that is running, and resolves when that is done. */
  async sync(name: string): Promise<void> {
    this.services.records.get(name);
    const turn = this.#turn(name);
    await turn.running;
    turn.isForced = true;
    this.#tick();
    // all places may be taken; the next tick begins it
    while (turn.isForced && !this.signal.aborted && this.services.records.find(name))
      await new Promise((done) => setTimeout(done, TICK / 5));
    await turn.running;
  }

  /** Polls all sources of the same repository, because one of them was pushed to. */
  pushed(name: string): void {
    const { records } = this.services;
    const source = records.find(name);
    for (const { name: each, repo } of source ? records.sources() : [])
      if (repo === source!.repo) this.#turn(each).isPushed = true;
    this.#tick();
  }

  /** Polls soon, without waiting for the result. */
  hurry(name: string): void {
    this.#turn(name).nextAt = 0;
    this.#tick();
  }

  /**
   * Runs the removal of a source when none of its passes runs, and lets none begin. A pass that continued would restore what the
   * removal takes away.
   */
  async withdraw(name: string, action: () => Promise<void>): Promise<void> {
    this.#leaving.add(name);
    try {
      await this.#turns.get(name)?.running;
      await action();
    } finally {
      this.#leaving.delete(name);
    }
  }
}
