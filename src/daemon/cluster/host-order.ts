/**
 * In which order the hosts of a stack apply their plans. An update that replaces containers of one service on several hosts goes
 * from host to host, as one on a single host goes from container to container. Pure.
 */
import type { Plan } from "../../reconcile/index.ts";
import type { Stack } from "../../stack/index.ts";

export interface HostOrder {
  /** Hosts that apply their plans at the same time, before the others. */
  atOnce: string[];
  /** Hosts that follow one after another, with the milliseconds to wait before each. */
  inTurn: { host: string; delayMs: number; failureAction: "pause" | "continue" | "rollback" }[];
}

export function orderOf(
  plans: readonly { host: string; plan: Pick<Plan, "steps"> }[],
  { services }: Pick<Stack, "services">,
): HostOrder {
  const hostsOf = new Map<string, Set<string>>();
  for (const { host, plan } of plans)
    for (const { rollout, service } of plan.steps)
      if (rollout && service) hostsOf.set(service, (hostsOf.get(service) ?? new Set()).add(host));
  const rolling = new Set(
    [...hostsOf]
      // parallelism 0 replaces all containers at once
      .filter(([name, hosts]) => hosts.size > 1 && services[name]?.update?.parallelism !== 0)
      .map(([name]) => name),
  );
  const isRolling = (plan: Pick<Plan, "steps">) =>
    plan.steps.some(({ rollout, service }) => rollout && service && rolling.has(service));
  const turns = plans.filter(({ plan }) => isRolling(plan));
  // a host that waits for a container of a later one would wait without end
  if (waitsForStarts(turns.map(({ plan }) => plan)))
    return { atOnce: plans.map(({ host }) => host), inTurn: [] };
  return {
    atOnce: plans.filter(({ plan }) => !isRolling(plan)).map(({ host }) => host),
    inTurn: turns.map(({ host, plan }, index) => {
      const rollouts = plan.steps.flatMap(({ rollout }) => rollout ?? []);
      const names = plan.steps.flatMap(({ rollout, service }) => (rollout && service ? [service] : []));
      const delays = names.map((name) => services[name]?.update?.delayMs ?? 0);
      const actions = new Set(rollouts.map(({ failureAction }) => failureAction));
      return {
        host,
        delayMs: index === 0 ? 0 : Math.max(0, ...delays),
        failureAction: actions.has("rollback") ? "rollback" : actions.has("pause") ? "pause" : "continue",
      };
    }),
  };
}

const STARTS = new Set(["container.create", "container.start"]);

function waitsForStarts(plans: readonly Pick<Plan, "steps">[]): boolean {
  const steps = plans.flatMap((plan) => plan.steps);
  const started = new Set(steps.flatMap(({ kind, service }) => (STARTS.has(kind) ? (service ?? []) : [])));
  return steps.some(({ waits }) => waits.some(({ service }) => started.has(service)));
}
