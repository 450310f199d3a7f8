/** Tells bayd which stacks follow a repository, and suspends their sources for manual changes. */
import type { StackOwners } from "../../daemon/extension.ts";
import { followed, type Source } from "../model/source.ts";
import type { GitopsLoop } from "./loop.ts";

/** Also a gitops document that describes the source leaves it suspended. */
export const suspendedByHand = (source: Source): Source => ({ ...source, suspended: true, isHeld: true });

export function stackOwners(loop: GitopsLoop): StackOwners {
  const { records, manager } = loop.services;
  return {
    ownerOf: (stack) => {
      const source = records.sources().find(({ name, suspended }) => {
        const { project, attempt } = records.status(name);
        return !suspended && (project === stack || attempt?.project === stack);
      });
      if (!source) return undefined;
      const { name, repo, drift } = source;
      return { source: name, repository: `${repo} (${followed(source)})`, isRepaired: drift === "repair" };
    },
    suspend: (name) =>
      loop.withdraw(name, async () => {
        const source = records.find(name);
        if (source) records.put(suspendedByHand(source));
        await manager.store.flush();
      }),
  };
}
