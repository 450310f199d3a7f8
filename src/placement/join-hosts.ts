/** The hosts of a stack: what the file says about them, joined with what is known of the members. */
import { nearest } from "../core/diagnostics.ts";
import type { StackHosts } from "../stack/index.ts";
import type { PlacementHost } from "./model.ts";

interface JoinedHosts {
  /** In the order of their names. */
  hosts: PlacementHost[];
  /** One line for each host of the file that is not a member. */
  problems: string[];
}

/** The members that the file names, or all; addresses and labels of the file take precedence over the member's own. */
export function joinHosts(named: StackHosts, members: readonly PlacementHost[]): JoinedHosts {
  const sorted = [...members].sort((a, b) => (a.name < b.name ? -1 : 1));
  if (named === "all") return { hosts: sorted, problems: [] };
  const hosts = sorted.flatMap((member) => {
    const own = Object.hasOwn(named, member.name) ? named[member.name] : undefined;
    if (!own) return [];
    return [
      { ...member, address: own.address ?? member.address, labels: { ...member.labels, ...own.labels } },
    ];
  });
  const known = sorted.map(({ name }) => name);
  const problems = Object.keys(named)
    .filter((name) => !known.includes(name))
    .map((name) => {
      const near = nearest(name, known);
      return `hosts.${name}: ${name} is not a member${near === undefined ? "" : `; did you mean ${near}?`}`;
    });
  return { hosts, problems };
}
