/** How running containers of a service are replaced: the order, the groups, and the interruption that users notice. Pure. */
import type { ContainerConfig } from "../../container/index.ts";
import {
  keyForOne,
  ownersOf,
  type Service,
  type Stack,
  shareWith,
  type UpdatePolicy,
} from "../../stack/index.ts";
import type { Interruption, Rollout, Step } from "../model/step.ts";

/** The default: one at a time, and a rollback of all if one fails. */
const DEFAULT_POLICY = {
  parallelism: 1,
  delayMs: 0,
  monitorMs: 0,
  failureAction: "rollback",
  maxFailureRatio: 0,
} as const satisfies Partial<UpdatePolicy>;

/** The replacement as a step describes it: the order, and the interruption. */
export function replacement(
  stack: Stack,
  service: Service,
  config: ContainerConfig | undefined,
  { isNetworkReplaced, isOwnerReplaced }: { isNetworkReplaced: boolean; isOwnerReplaced: boolean },
): Pick<Step, "rollout" | "interruption"> {
  const given = service.update;
  const exclusive = isNetworkReplaced
    ? "its network is replaced"
    : isOwnerReplaced
      ? "the owner of a shared namespace is replaced"
      : given?.order === "start-first"
        ? whyNeverTwo(stack, service)
        : (whyNeverTwo(stack, service) ?? whyNotTwo(service, config));
  const order = exclusive ? "stop-first" : (given?.order ?? "start-first");
  const { delayMs, monitorMs, failureAction, maxFailureRatio } = given ?? DEFAULT_POLICY;
  const rollout: Rollout = {
    order,
    why: given?.order === "stop-first" ? undefined : exclusive,
    delayMs,
    monitorMs,
    failureAction,
    maxFailureRatio,
    replicas: service.replicas,
    back: service.rollback && {
      order: exclusive ? "stop-first" : service.rollback.order,
      failureAction: service.rollback.failureAction,
    },
  };
  if (order === "start-first") return { rollout };
  const stopMs = service.stopGraceMs;
  const isProbed = config ? config.health !== undefined : service.healthcheck !== undefined;
  return { rollout, interruption: { stopMs, until: isProbed ? "healthy" : "running" } };
}

/** What limits a service to one container at a time; undefined if two can run. */
function whyNeverTwo(stack: Stack, service: Service): string | undefined {
  const key = keyForOne(service);
  if (key) return `${key} allows one container`;
  const dependent = Object.values(stack.services).find((other) => ownersOf(other).includes(service.name));
  return dependent && `${dependent.name} shares its ${shareWith(dependent, service.name)!.part}`;
}

/** What two containers would conflict over; the file may ask for start-first all the same. */
function whyNotTwo(service: Service, config: ContainerConfig | undefined): string | undefined {
  if (service.networkMode === "host") return "both containers would listen on the host's network";
  if (/^(service|container):/.test(service.networkMode))
    return "both containers would listen on a shared network";
  const mounts = config?.mounts ?? service.mounts;
  const written = mounts.find((mount) => mount.type !== "tmpfs" && !mount.readOnly);
  if (written) return `both containers would write to ${written.target}`;
  return service.devices.length > 0 ? "both containers would use its devices" : undefined;
}

export const interruptionOf = ({ stopGraceMs, health }: ContainerConfig): Interruption => ({
  stopMs: stopGraceMs,
  until: health ? "healthy" : "running",
});

/** The replacements of a service in groups: one group begins when the previous one is complete. */
export class Groups {
  readonly #size: number;
  #before: string[] = [];
  #current: string[] = [];

  constructor(readonly policy: UpdatePolicy | undefined) {
    const parallelism = (policy ?? DEFAULT_POLICY).parallelism;
    this.#size = parallelism === 0 ? Number.POSITIVE_INFINITY : parallelism;
  }

  /** Adds a step to the current group, if it replaces a running container; others are unchanged. Returns the step's ID. */
  add(id: string | undefined, steps: readonly Step[]): string | undefined {
    const step = id === undefined ? undefined : steps.findLast((each) => each.id === id);
    if (!step?.rollout) return id;
    if (this.#current.length >= this.#size) {
      this.#before = this.#current;
      this.#current = [];
    }
    if (this.#before.length === 0) step.rollout.delayMs = 0;
    const { failureAction, maxFailureRatio } = step.rollout;
    // steps that may fail are waited for, but do not stop the others
    const mayFail = failureAction === "continue" || maxFailureRatio > 0;
    if (mayFail) step.afterEnd = [...step.afterEnd, ...this.#before];
    else step.after = [...step.after, ...this.#before];
    this.#current.push(step.id);
    return id;
  }
}
