/** The actions of one service: what changes ask for is done in turn, and what is asked for meanwhile once afterwards. */
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../core/errors.ts";
import type { Client } from "../daemon/client.ts";
import type { Stack } from "../stack/index.ts";
import { execIn, rebuild, restart, type WatchedContainer } from "./actions.ts";
import type { Report } from "./events.ts";
import type { Rule } from "./rule.ts";

/** Milliseconds before an action is repeated that bayd did not complete. */
const RETRY = 500;

export interface ActionHost {
  client: Client;
  prune: boolean;
  report: Report;
  stack: () => Stack;
  /** Brings the files of the service's containers in step. */
  sync: (service: string) => Promise<void>;
  containers: (service: string) => Promise<WatchedContainer[]>;
}

export class ServiceActions {
  readonly #wanted = new Set<Rule>();
  #isRunning = false;
  #abort: AbortController | undefined;
  #building: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(
    readonly service: string,
    readonly host: ActionHost,
  ) {}

  /** Files of a rule have changed. */
  request(rule: Rule): void {
    this.#wanted.add(rule);
    if (!this.#isRunning) void this.#run();
  }

  /** Restarts the service's containers now. */
  async restartNow(): Promise<void> {
    const { client, report } = this.host;
    // also those that have ended, such as by the mistake that the change corrects
    await this.#untilDone(async () => restart(client, await this.host.containers(this.service), report));
  }

  /** Rebuilds the image; a build that runs is ended, because it has older files. */
  rebuildNow(): Promise<void> {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    const { client, prune, report, stack } = this.host;
    this.#building = this.#building.then(async () => {
      await this.#untilDone(async () => {
        if (abort.signal.aborted || !stack().services[this.service]?.build) return true;
        return rebuild(client, stack(), this.service, { prune, signal: abort.signal }, report);
      });
    });
    return this.#building;
  }

  close(): void {
    this.#isClosed = true;
    this.#wanted.clear();
    this.#abort?.abort();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    try {
      while (this.#wanted.size > 0 && !this.#isClosed) {
        const rules = [...this.#wanted];
        this.#wanted.clear();
        await this.host.sync(this.service);
        await this.#act(rules);
      }
    } catch (error) {
      this.host.report({ type: "restart-failed", service: this.service, message: messageOf(error) });
    } finally {
      this.#isRunning = false;
    }
  }

  async #act(rules: readonly Rule[]): Promise<void> {
    // the new container starts with all files, so nothing else has to be done
    if (rules.some(({ action }) => action === "rebuild")) return void this.rebuildNow();
    if (rules.some(({ action }) => action === "restart" || action === "sync+restart"))
      await this.restartNow();
    const { client, report } = this.host;
    for (const { exec } of rules)
      if (exec)
        await Promise.all(
          (await this.#running()).map((container) => execIn(client, container, exec, report)),
        );
  }

  /** Repeats what bayd did not complete because it was stopped. */
  async #untilDone(action: () => Promise<boolean>): Promise<void> {
    while (!this.#isClosed && !(await action())) await sleep(RETRY);
  }

  async #running(): Promise<WatchedContainer[]> {
    return (await this.host.containers(this.service)).filter(({ isRunning }) => isRunning);
  }
}
