/** Starts and stops containers on request of a user, with hooks, signals and grace periods. */
import { setTimeout as sleep } from "node:timers/promises";
import { BayError, messageOf } from "../../core/errors.ts";
import { SIGNALS, signalNumber } from "../../core/signals.ts";
import { signalProcess } from "../../linux/index.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";
import { isRunning, type Records, requireRunning } from "../model/records.ts";
import { runHooks } from "./hooks.ts";
import type { Pausing } from "./pausing.ts";
import type { Removal } from "./removal.ts";
import { endOrder } from "./shutdown.ts";
import type { ContainerSupervisor } from "./supervisor.ts";

export class StartStop {
  /** Containers whose hooks are running. */
  readonly #hooking = new Set<string>();
  /** Containers that a client is restarting. */
  readonly #restarting = new Set<string>();

  constructor(
    readonly host: Host,
    readonly records: Records,
    readonly supervisor: ContainerSupervisor,
    readonly pausing: Pausing,
    readonly removal: Removal,
  ) {}

  /** Starts a container that does not run, or is paused, and runs its hooks. Throws on failure, and records the error. */
  async start(id: string): Promise<void> {
    await this.records.queue(id, async (record) => {
      if (record.state.status === "paused") return this.pausing.setNow(record, false);
      if (isRunning(record)) return;
      this.supervisor.cancelRestart(record.id);
      record.state.wanted = "running";
      record.state.restartCount = 0;
      try {
        await this.supervisor.start(record);
      } catch (error) {
        this.removal.removeOneOff(record);
        throw error;
      }
    });
    await this.#awaitStartHooks(this.records.get(id));
  }

  /**
   * Waits for the hooks of a start. A hook of a paused container ends only after the container is unpaused, and the client
   * that starts it keeps other containers of its stack waiting. Throws HOOK_FAILED, CONTAINER_PAUSED.
   */
  async #awaitStartHooks(record: ContainerRecord): Promise<void> {
    let look = (_id: string) => {};
    const paused = new Promise<never>((_, reject) => {
      look = (id) => {
        const { status, isHeldStill } = record.state;
        if (id !== record.id || status !== "paused" || isHeldStill) return;
        const { name } = record.config;
        reject(
          new BayError("CONTAINER_PAUSED", `${name} was paused while its post_start hooks ran`, {
            hint: `they continue when it is unpaused: docker unpause ${name}, or bay unpause`,
          }),
        );
      };
    });
    this.host.on("changed", look);
    const hooks = this.startHooks(record);
    hooks.catch(() => {}); // the record has the error, too
    look(record.id);
    try {
      await Promise.race([hooks, paused]);
    } finally {
      paused.catch(() => {});
      this.host.off("changed", look);
    }
  }

  /** Runs the hooks that have not run since the start. They do not delay a stop. Throws HOOK_FAILED, and records the error. */
  async startHooks(record: ContainerRecord): Promise<void> {
    const { state } = record;
    if (!state.hasHooksLeft || !isRunning(record) || this.#hooking.has(record.id)) return;
    this.#hooking.add(record.id);
    try {
      await runHooks(this.host, record, "postStart");
    } catch (error) {
      if (!isRunning(record)) return; // it was stopped meanwhile
      state.error = messageOf(error);
      throw error;
    } finally {
      this.#hooking.delete(record.id);
      state.hasHooksLeft = false;
      if (this.records.has(record.id)) this.records.save(record);
    }
  }

  /** Runs the hooks before a stop. The container is stopped even if they fail, or take longer than the grace period. */
  async #stopHooks(record: ContainerRecord, graceMs: number): Promise<void> {
    if (!record.config.hooks?.preStop.length || record.state.status !== "running") return;
    try {
      await runHooks(this.host, record, "preStop", graceMs);
    } catch (error) {
      this.host.emit("warning", messageOf(error));
    }
  }

  /** Stops a container on request of a user: no restart policy restarts it. */
  stop(id: string, graceMs?: number, ownSignal?: number): Promise<void> {
    const record = this.records.get(id);
    record.state.wanted = "stopped";
    return this.#end(record, graceMs, ownSignal);
  }

  async restart(id: string, graceMs?: number, ownSignal?: number): Promise<void> {
    const record = this.records.get(id);
    this.#restarting.add(record.id);
    try {
      await this.stop(id, graceMs, ownSignal);
      await this.start(id);
    } finally {
      this.#restarting.delete(record.id);
    }
    this.host.events.ofContainer(this.records.get(id), "restart");
  }

  /** True between the stop and the start of a restart that a client requested. */
  isBetweenStopAndStart(id: string): boolean {
    return this.#restarting.has(id);
  }

  /** Sends a signal. A signal that ends the container counts as a stop by the user. Throws NOT_RUNNING. */
  kill(id: string, signal: number): void {
    const known = this.records.get(id);
    const isEnd = signal === 9 || signal === signalNumber(known.config.stopSignal);
    const isWaiting = isEnd && this.host.waitingForFiles.has(known.id);
    const record = isWaiting ? known : requireRunning(known);
    if (isEnd) {
      record.state.wanted = "stopped";
      this.records.save(record);
    }
    this.host.events.ofContainer(record, "kill", { signal: String(signal) });
    if (isWaiting) return this.host.waitingForFiles.interrupt(record.id);
    this.#signal(record, signal);
    if (signal === 9 && record.state.status === "paused") this.#cgroup(record).freeze(false);
  }

  /** Resolves with the exit code at the container's next end; immediately if it does not run. */
  waitForEnd(id: string): Promise<number> {
    const record = this.records.get(id);
    if (!isRunning(record)) return Promise.resolve(record.state.exitCode);
    return new Promise((resolve) => this.host.once(`end:${record.id}`, resolve));
  }

  /** Stops all containers when the host shuts down (ContainerManager.shutDown). */
  async shutDown(graceMs: number | undefined, failed: (error: unknown) => void): Promise<string[]> {
    this.supervisor.holdRestarts();
    this.host.waitingForFiles.interruptAll();
    const ends = new Map<ContainerRecord, Promise<void>>();
    const running = this.records.list().filter(isRunning);
    for (const { record, after } of endOrder(running)) {
      const others = Promise.all(after.map((other) => ends.get(other)));
      ends.set(
        record,
        others.then(() => this.#endForNow(record, graceMs, failed)),
      );
    }
    await Promise.all(ends.values());
    return running.filter((record) => !isRunning(record)).map(({ config }) => config.name);
  }

  async #endForNow(record: ContainerRecord, graceMs: number | undefined, failed: (error: unknown) => void) {
    const { state, config } = record;
    const { restartCount } = state;
    try {
      await this.#end(record, graceMs);
    } catch (error) {
      return failed(error);
    }
    if (config.restart.policy === "no" || state.wanted !== "running" || !this.records.has(record.id)) return;
    Object.assign(state, { status: "restarting", restartCount });
    this.records.save(record);
  }

  #end(record: ContainerRecord, graceMs?: number, ownSignal?: number): Promise<void> {
    const { id } = record;
    this.supervisor.cancelRestart(record.id);
    this.host.waitingForFiles.interrupt(id);
    if (graceMs === 0 && isRunning(record)) this.#hasten(record, ownSignal);
    return this.records.queue(id, async (current) => {
      if (current.state.status === "restarting") current.state.status = "exited";
      if (!isRunning(current)) return this.records.save(current);
      if (current.state.status === "paused") this.#cgroup(current).freeze(false);
      const ended = this.waitForEnd(current.id);
      const grace = graceMs ?? current.config.stopGraceMs;
      if (grace > 0) await this.#stopHooks(current, grace);
      if (!isRunning(current)) return this.records.save(current);
      const signal = ownSignal ?? stopSignalOf(current);
      this.host.events.ofContainer(current, "kill", { signal: String(signal) });
      this.#signal(current, signal);
      if (!(await within(ended, grace))) {
        this.#signal(current, 9);
        if (!(await within(ended, 2000))) this.#cgroup(current).kill();
        if (!(await within(ended, 8000)))
          throw new BayError("STOP_FAILED", `${current.config.name} does not stop, even after SIGKILL`);
      }
      this.host.events.ofContainer(current, "stop");
    });
  }

  /** A stop without a grace period does not wait for an earlier stop that has one. */
  #hasten(record: ContainerRecord, ownSignal?: number): void {
    if (record.state.status === "paused") this.#cgroup(record).freeze(false);
    this.#signal(record, ownSignal ?? stopSignalOf(record));
    this.#signal(record, 9);
  }

  #signal(record: ContainerRecord, signal: number): void {
    if (!signalProcess(record.state.pid, record.state.start, signal)) void this.supervisor.settle(record);
  }

  #cgroup(record: ContainerRecord) {
    return this.host.groups.of(record);
  }
}

function stopSignalOf({ config }: ContainerRecord): number {
  return signalNumber(config.stopSignal) ?? SIGNALS.SIGTERM;
}

async function within(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const abort = new AbortController();
  const late = sleep(milliseconds, false, { signal: abort.signal }).catch(() => false);
  const result = await Promise.race([promise.then(() => true), late]);
  abort.abort();
  return result;
}
