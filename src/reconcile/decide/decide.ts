/**
 * What happens to one existing container: a pure function of what the stack file asks for and what the host has. The
 * smallest change wins: what the kernel can change is changed on the live container, and only the rest replaces it.
 */
import type { ContainerConfig } from "../../container/index.ts";
import type { ActualContainer } from "../model/actual.ts";
import { changeOf, type Reason, say } from "../model/step.ts";
import { compareConfigs } from "./compare.ts";

/** One container as the stack file describes it. */
export interface Wanted {
  service: string;
  name: string;
  /** Undefined until its image is made, because it depends on the image. */
  config: ContainerConfig | undefined;
  /** Its configuration and its name stay as they are. */
  noRecreate: boolean;
  /** False if containers are created but not started. */
  start: boolean;
  /** Start it again if it has completed. */
  rerun: boolean;
  /** Why it is replaced although its configuration is equal: a step replaces something that it uses, or the user asked. */
  replace: readonly Reason[];
  /** Why it is restarted if nothing else changes. */
  restart: readonly Reason[];
}

export type Decision =
  | { action: "replace"; reasons: Reason[] }
  /** `start` is why it is started afterwards; undefined if it already runs or has completed. */
  | { action: "update"; reasons: Reason[]; config: ContainerConfig; start: Reason | undefined }
  | { action: "start"; reasons: Reason[] }
  | { action: "restart"; reasons: Reason[] }
  /** `isDone`: it ran once and ended with exit code 0. */
  | { action: "keep"; isDone: boolean };

export function decide(wanted: Wanted, container: ActualContainer): Decision {
  const { config, noRecreate } = wanted;
  const changes = config && !noRecreate ? compareConfigs(container.config, config, container) : [];
  const reasons: Reason[] = changes.map(({ field, from, to, text }) => ({
    field: `services.${wanted.service}.${field}`,
    from: text === undefined ? from : undefined,
    to: text === undefined ? to : undefined,
    text,
    drift: false,
  }));
  const isRenamed = wanted.name !== container.name && !noRecreate;
  if (isRenamed)
    reasons.push(changeOf(`services.${wanted.service}.container_name`, container.name, wanted.name));
  reasons.push(...wanted.replace);
  if (isRenamed || wanted.replace.length > 0 || changes.some(({ live }) => !live))
    return { action: "replace", reasons };

  const start = wanted.start ? startReason(container, wanted.rerun) : undefined;
  const drift = container.drift.map((text) => say(text, true));
  if (changes.length > 0 || drift.length > 0)
    return {
      action: "update",
      reasons: [...reasons, ...drift],
      config: config ?? container.config,
      start: container.alive && container.status !== "paused" ? undefined : start,
    };
  if (start) return { action: "start", reasons: [start] };
  const restart = [...wanted.restart, ...container.lostShares.map((text) => say(text, true))];
  if (restart.length > 0) return { action: "restart", reasons: restart };
  return { action: "keep", isDone: isDone(container) };
}

/** It ran once, ended with exit code 0, and its restart policy does not start it again. */
function isDone({ alive, status, wanted, exitCode, config }: ActualContainer): boolean {
  const hasEnded = !alive && (status === "exited" || status === "dead");
  if (!hasEnded || wanted === "stopped") return false;
  const { policy } = config.restart;
  return exitCode === 0 && (policy === "no" || policy === "on-failure");
}

/** Why a container must be started; undefined if it runs or has completed. */
function startReason(container: ActualContainer, rerun: boolean): Reason | undefined {
  if (container.status === "paused") return say("paused", true);
  if (container.alive) return undefined;
  if (container.status === "restarting" && container.wanted === "running") return undefined;
  if (container.status === "created") return say("created but not started");
  if (container.wanted === "stopped") return say("stopped by a user");
  if (isDone(container)) return rerun ? say("--rerun: it ended with exit code 0") : undefined;
  const by = container.endedBy ? ` (${container.endedBy})` : "";
  return say(`ended with exit code ${container.exitCode}${by}`, true);
}
