/** `up --wait`: waits until a whole stack is ready, or reports why it will not be. */
import type { ContainerManager } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";
import type { Stack } from "../../stack/index.ts";
import { failureOf } from "../rollout/failure.ts";
import { SETTLED_AFTER } from "../rollout/ready.ts";
import { nextChange, servingContainers } from "./waiting.ts";

/**
 * Resolves when every container of the stack's services runs and is healthy, or has ended with exit code 0. Throws
 * WAIT_FAILED with the reason and the last output of each container that will not be ready.
 */
export async function waitForStack(
  manager: ContainerManager,
  stack: Stack,
  services: readonly string[],
  timeoutMs: number | undefined,
): Promise<void> {
  const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : Date.now() + timeoutMs;
  const chosen = new Set(services.length > 0 ? services : Object.keys(stack.services));
  for (;;) {
    const own = servingContainers(manager, stack.name, (name) => chosen.has(name));
    const waiting = own.filter((record) => !isReady(manager, record.id));
    if (waiting.length === 0) return;
    const failures = waiting.flatMap((record) => {
      const failure = failureOf(manager, record);
      return failure === undefined ? [] : [`${record.config.name} ${failure}`];
    });
    if (failures.length > 0) throw new BayError("WAIT_FAILED", failures.join("\n"));
    if (Date.now() > deadline)
      throw new BayError(
        "WAIT_FAILED",
        `not ready in time: ${waiting.map(({ config }) => config.name).join(", ")}`,
      );
    for (const { id } of waiting) manager.sessions.health(id)?.hurry();
    await nextChange(manager, 100);
  }
}

function isReady(manager: ContainerManager, id: string): boolean {
  const { state, config } = manager.get(id);
  if (state.status === "exited" && state.exitCode === 0) return true;
  if (Date.now() - Date.parse(state.startedAt) < SETTLED_AFTER && !config.health) return false;
  return state.status === "running" && (!config.health || manager.health(id) === "healthy");
}
