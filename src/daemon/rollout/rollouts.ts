/**
 * Replaces running containers: starts the new one first or stops the old one first, watches the new one, and rolls back if it
 * fails. A new container that fails never stays in the place of the old one; the service's policy determines what happens to
 * its other containers.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  type ContainerConfig,
  type ContainerManager,
  type ContainerRecord,
  configAsGiven,
} from "../../container/index.ts";
import { BayError, hasCode, messageOf } from "../../core/errors.ts";
import type { Rollout, Say, Step } from "../../reconcile/index.ts";
import type { Stack } from "../../stack/index.ts";
import { diskFullError } from "../../store/index.ts";
import type { UpSettings } from "../stacks/executor.ts";
import { withFiles } from "../stacks/secret-content.ts";
import { drain } from "./drain.ts";
import { silentPorts, untilReady, watchFor } from "./ready.ts";

interface Replaced {
  id: string;
  /** The previous config. */
  config: ContainerConfig;
}

/** How a container is replaced. */
type Exchange = Pick<Rollout, "order" | "monitorMs"> & { renewVolumes: boolean };

/** The replacements of one `up`, which share their state. */
export class Rollouts {
  /** Replaced containers by service, the newest last. */
  readonly #replaced = new Map<string, Replaced[]>();
  readonly #failures = new Map<string, number>();
  /** Services whose update was stopped, with the container that failed. */
  readonly #halted = new Map<string, string>();

  constructor(
    readonly manager: ContainerManager,
    readonly stack: Stack,
    readonly settings: UpSettings,
  ) {}

  /**
   * Replaces one container of a service. `waits` resolves when the container may start. Throws UPDATE_FAILED: the old
   * container keeps running then, and depending on the policy, containers replaced earlier are rolled back, too.
   */
  async replace(step: Step, waits: () => Promise<void>, say: Say): Promise<void> {
    const service = step.service!;
    const rollout = step.rollout!;
    const { id, config, volumes } = step.container!;
    const renewVolumes = volumes === "renewed";
    this.#checkGoesOn(service, step.name);
    if (rollout.delayMs > 0) await this.#pause(rollout.delayMs, say);
    this.#checkGoesOn(service, step.name);
    const before = structuredClone(configAsGiven(this.manager.get(id!)));
    await waits();
    try {
      const fresh = await this.#exchange(this.manager.get(id!), config!, { ...rollout, renewVolumes }, say);
      this.#replaced.set(service, [
        ...(this.#replaced.get(service) ?? []),
        { id: fresh.id, config: { ...before, name: step.name } },
      ]);
    } catch (error) {
      throw await this.#failed(service, step.name, rollout, error, say);
    }
    const failed = this.#halted.get(service);
    if (failed === undefined || rollout.failureAction !== "rollback") return;
    // another replacement failed meanwhile, and rolled back the ones before
    const end = await this.#takeBack(service, rollout, say);
    throw new BayError("UPDATE_FAILED", `${step.name} was already replaced when ${failed} failed${end}`);
  }

  /** Throws UPDATE_FAILED if the service's update was stopped. */
  #checkGoesOn(service: string, name: string): void {
    const failed = this.#halted.get(service);
    if (failed) throw new BayError("UPDATE_FAILED", `${name} was not updated because ${failed} failed`);
  }

  async #pause(milliseconds: number, say: Say): Promise<void> {
    say(`waiting ${milliseconds / 1000}s (deploy.update_config)`);
    try {
      await sleep(milliseconds, undefined, this.settings.signal ? { signal: this.settings.signal } : {});
    } catch {
      throw new BayError("ABORTED", "the client disconnected");
    }
  }

  async #failed(
    service: string,
    name: string,
    rollout: Rollout,
    thrown: unknown,
    say: Say,
  ): Promise<unknown> {
    if (hasCode(thrown, "ABORTED")) return thrown;
    const error = diskFullError(thrown) ?? thrown;
    const failures = (this.#failures.get(service) ?? 0) + 1;
    this.#failures.set(service, failures);
    const isTolerated = failures / rollout.replicas <= rollout.maxFailureRatio;
    let end = "";
    if (!isTolerated && rollout.failureAction !== "continue") {
      this.#halted.set(service, name);
      if (rollout.failureAction === "rollback") end = await this.#takeBack(service, rollout, say);
      else if (rollout.replicas > 1) end = "; the update is paused";
    }
    const what = messageOf(error).replaceAll(new RegExp(`\\b[0-9a-f]{12}_(?=${name})`, "g"), "");
    const why = hasCode(error, "NOT_READY") ? `the new container ${what}` : what;
    const text = `${why.startsWith(name) ? "" : `${name}: `}${why}\n  the previous container keeps running${end}`;
    return new BayError("UPDATE_FAILED", text, {
      ...(error instanceof BayError && error.hint ? { hint: error.hint } : {}),
    });
  }

  /** Rolls back replaced containers; returns a description of the result. */
  async #takeBack(service: string, rollout: Rollout, say: Say): Promise<string> {
    const done = this.#replaced.get(service) ?? [];
    this.#replaced.delete(service);
    if (done.length === 0) return "";
    const problems: string[] = [];
    for (const { id, config } of done.reverse()) {
      say(`rolling ${config.name} back`);
      try {
        const order = rollout.back ?? rollout;
        await this.#exchange(
          this.manager.get(id),
          config,
          { ...rollout, ...order, monitorMs: 0, renewVolumes: false },
          say,
        );
      } catch (error) {
        problems.push(`${config.name}: ${messageOf(error)}`);
        if (rollout.back?.failureAction === "pause") break;
      }
    }
    const names = done.map(({ config }) => config.name).join(", ");
    return problems.length > 0
      ? `; the rollback failed: ${problems.join("; ")}`
      : `; ${names} ${done.length === 1 ? "is" : "are"} rolled back to the previous revision`;
  }

  #exchange(
    old: ContainerRecord,
    config: ContainerConfig,
    rollout: Exchange,
    say: Say,
  ): Promise<ContainerRecord> {
    const exchange = rollout.order === "start-first" ? this.#startFirst : this.#stopFirst;
    return exchange.call(this, old, config, rollout, say);
  }

  async #startFirst(
    old: ContainerRecord,
    config: ContainerConfig,
    rollout: Exchange,
    say: Say,
  ): Promise<ContainerRecord> {
    const { manager } = this;
    const { replacement } = manager;
    const { name } = old.config;
    const fresh = await withFiles(manager, this.stack, config, async () =>
      replacement.beside(old, config, rollout.renewVolumes),
    );
    const silent = silentPorts(old);
    let isPromoted = false;
    try {
      await manager.start(fresh.id);
      say(config.health ? "waiting until the new container is healthy" : "starting the new container", true);
      await untilReady(manager, fresh.id, silent, this.settings.signal);
      await replacement.promote(fresh, old, config.name);
      isPromoted = true;
      say("the new container receives the traffic; the old one finishes its requests", true);
      // the old one gets no new requests, and can be restored until the new one has proved to work
      await Promise.all([
        drain(manager, old),
        watchFor(manager, fresh.id, rollout.monitorMs, this.settings.signal),
      ]);
    } catch (error) {
      if (isPromoted) {
        await replacement.demote(fresh, old, name);
        await drain(manager, fresh);
      }
      await this.#discard(fresh.id, 0, true);
      throw error;
    }
    await this.#discard(old.id, this.settings.graceMs, rollout.renewVolumes);
    return fresh;
  }

  async #stopFirst(
    old: ContainerRecord,
    config: ContainerConfig,
    rollout: Exchange,
    say: Say,
  ): Promise<ContainerRecord> {
    const { manager } = this;
    const { replacement } = manager;
    const { name } = old.config;
    await manager.images.get(config.image, config.imageId || undefined);
    const silent = silentPorts(old);
    say("stopping the old container", true);
    await manager.stop(old.id, this.settings.graceMs);
    let fresh: ContainerRecord | undefined;
    try {
      const { renewVolumes } = rollout;
      fresh = await withFiles(manager, this.stack, config, async () =>
        replacement.instead(old, config, renewVolumes),
      );
      await manager.start(fresh.id);
      if (config.health) say("waiting until the new container is healthy", true);
      await untilReady(manager, fresh.id, silent, this.settings.signal);
      await watchFor(manager, fresh.id, rollout.monitorMs, this.settings.signal);
    } catch (error) {
      if (fresh) await this.#discard(fresh.id, 0, true);
      replacement.restore(old, name);
      await manager.start(old.id);
      throw error;
    }
    await this.#discard(old.id, 0, rollout.renewVolumes);
    return fresh;
  }

  /** Removes a container. Anonymous volumes that the other one uses, too, are kept. */
  async #discard(id: string, graceMs: number | undefined, volumes: boolean): Promise<void> {
    await this.manager.stop(id, graceMs);
    await this.manager.remove(id, { volumes });
  }
}
