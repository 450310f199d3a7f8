/** Choosing between the hosts that can run a container: preferences first, then the fewest containers, then the name. */
import type { HostLabel } from "../stack/index.ts";
import { labelOf } from "./constraints.ts";
import type { Demand } from "./demands.ts";
import type { Ledger } from "./ledger.ts";
import type { PlacementHost, PlacementReason } from "./model.ts";

/**
 * The host, and the rule that decided: the first one that excluded a host. `candidates` are sorted by name and not empty;
 * `all` are the hosts whose containers count for preferences.
 */
export function chooseHost(
  { service, volumes, partners }: Demand,
  candidates: readonly PlacementHost[],
  all: readonly PlacementHost[],
  ledger: Ledger,
): { host: PlacementHost; reason: PlacementReason } {
  const only = candidates[0]!;
  if (candidates.length === 1) return { host: only, reason: whyOnly() };
  let left = candidates;
  let reason: PlacementReason | undefined;
  const keep = (kept: readonly PlacementHost[], why: PlacementReason) => {
    if (kept.length < left.length) reason ??= why;
    left = kept;
  };
  let zone = all;
  for (const preference of service.placement?.spread ?? []) {
    const value = emptiestValue(preference, left, zone, (host) => ledger.ofService(service.name, host));
    const isThere = (host: PlacementHost) => labelOf(host, preference) === value;
    const label = `${preference.attribute}.${preference.label}`;
    keep(left.filter(isThere), { kind: "preference", label, value });
    zone = zone.filter(isThere);
  }
  keep(
    fewest(left, ({ name }) => ledger.ofService(service.name, name)),
    { kind: "spread", by: "service" },
  );
  keep(
    fewest(left, ({ name }) => ledger.ofStack(name)),
    { kind: "spread", by: "stack" },
  );
  return { host: left[0]!, reason: reason ?? { kind: "spread", by: "name" } };

  function whyOnly(): PlacementReason {
    if (service.placement?.hosts?.length === 1) return { kind: "pinned" };
    const volume = volumes.find(({ name }) => ledger.volumeHosts(name).includes(only.name));
    if (volume) return { kind: "volume", volume: volume.name };
    const [partner] = partners;
    return partner === undefined ? { kind: "only" } : { kind: "partner", service: partner };
  }
}

/** Of the label's values that the candidates have, the one whose hosts have the fewest containers; then the first. */
function emptiestValue(
  label: HostLabel,
  candidates: readonly PlacementHost[],
  all: readonly PlacementHost[],
  count: (host: string) => number,
): string {
  const totals = new Map(candidates.map((host) => [labelOf(host, label), 0]));
  for (const host of all) {
    const value = labelOf(host, label);
    const total = totals.get(value);
    if (total !== undefined) totals.set(value, total + count(host.name));
  }
  return [...totals].reduce((best, next) =>
    next[1] < best[1] || (next[1] === best[1] && next[0] < best[0]) ? next : best,
  )[0];
}

function fewest(hosts: readonly PlacementHost[], count: (host: PlacementHost) => number): PlacementHost[] {
  const least = hosts.reduce((low, host) => Math.min(low, count(host)), Number.POSITIVE_INFINITY);
  return hosts.filter((host) => count(host) === least);
}
