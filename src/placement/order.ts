/** The order in which services are placed. */
import type { Demand } from "./demands.ts";
import { reservationOf } from "./ledger.ts";

/**
 * Partners come before the services that share something with them. Between others, the service with the fewest possible
 * hosts comes first, then the one that reserves the most, then the first by name: what is hard to place is placed first.
 */
export function placingOrder(
  demands: ReadonlyMap<string, Demand>,
  possibleHosts: (demand: Demand) => number,
): Demand[] {
  const size = ({ service }: Demand) => {
    const { nanoCpus, memory } = reservationOf(service);
    return [memory, nanoCpus] as const;
  };
  const keyed = [...demands.values()].map((demand) => ({
    demand,
    hosts: possibleHosts(demand),
    size: size(demand),
  }));
  keyed.sort(
    (a, b) =>
      a.hosts - b.hosts ||
      b.size[0] - a.size[0] ||
      b.size[1] - a.size[1] ||
      (a.demand.service.name < b.demand.service.name ? -1 : 1),
  );
  const ordered = new Set<Demand>();
  const open = new Set<Demand>();
  const visit = (demand: Demand) => {
    if (ordered.has(demand) || open.has(demand)) return;
    open.add(demand);
    for (const partner of demand.partners) {
      const other = demands.get(partner);
      if (other) visit(other);
    }
    ordered.add(demand);
  };
  for (const { demand } of keyed) visit(demand);
  return [...ordered];
}
