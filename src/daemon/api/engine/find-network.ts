/** Finds a network as Docker's clients name it. */
import type { ContainerManager } from "../../../container/index.ts";
import { BayError } from "../../../core/errors.ts";
import type { NetworkRecord } from "../../../network/index.ts";

const SHORTEST_PREFIX = 4;

/** Finds a network by name, ID, or unambiguous ID prefix. Throws NETWORK_NOT_FOUND. */
export function findNetwork(
  { networks }: Pick<ContainerManager, "networks">,
  nameOrId: string,
): NetworkRecord {
  const all = networks.list();
  const exact = all.find(({ config }) => config.name === nameOrId) ?? all.find(({ id }) => id === nameOrId);
  const begun = nameOrId.length < SHORTEST_PREFIX ? [] : all.filter(({ id }) => id.startsWith(nameOrId));
  const known = exact ?? (begun.length === 1 ? begun[0] : undefined);
  if (!known) throw new BayError("NETWORK_NOT_FOUND", `network ${nameOrId} not found`);
  return known;
}
