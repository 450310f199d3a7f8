/** Containers of services that are no longer in the stack. Pure. */
import type { ActualContainer } from "../model/actual.ts";
import { say } from "../model/step.ts";
import type { Draft } from "./draft.ts";

function orphansOf({ stack, actual }: Draft): ActualContainer[] {
  const known = new Set([...Object.keys(stack.services), ...stack.disabled]);
  return actual.containers.filter(({ service, oneOff }) => !known.has(service) && !oneOff);
}

/** Names of services that are no longer in the stack, and whose containers the plan removes. */
export function removedServices(draft: Draft): Set<string> {
  return new Set(draft.options.removeOrphans ? orphansOf(draft).map(({ service }) => service) : []);
}

/** Removes orphans if requested, and warns about them otherwise. */
export function planOrphans(draft: Draft): void {
  const orphans = orphansOf(draft);
  if (draft.options.removeOrphans)
    for (const container of orphans)
      draft.remove(container, say(`the stack has no service ${container.service}`));
  else if (orphans.length > 0 && !draft.options.ignoreOrphans) {
    draft.warnings.push(
      `containers of services that are no longer in the stack: ${orphans.map(({ name }) => name).join(", ")}; --remove-orphans removes them`,
    );
  }
}
