/** Placement as text: the reason of each assignment for plans, and the errors. */
import { BayError } from "../core/errors.ts";
import type { Assignment, Placement, PlacementReason, Removal, Unplaced } from "./model.ts";

/** `web.2 -> host b: spread, fewest containers of web`, or with the host that it leaves and why. */
export function showAssignment({ service, number, host, reason, moved }: Assignment): string {
  const from = moved ? ` moves from host ${moved.from} (${moved.why})` : "";
  return `${service}.${number}${from} -> host ${host}: ${showReason(reason, service)}`;
}

export const showRemoval = ({ service, number, host, why }: Removal): string =>
  `${service}.${number} on host ${host} is removed: ${why}`;

function showReason(reason: PlacementReason, service: string): string {
  switch (reason.kind) {
    case "stays":
      return "it runs there";
    case "unreachable":
      return "it ran there, and the host cannot be reached";
    case "global":
      return "mode global, one container on each host";
    case "pinned":
      return `the host of ${service}`;
    case "volume":
      return `has the volume ${reason.volume}`;
    case "partner":
      return `with ${reason.service}`;
    case "only":
      return "the only host that can run it";
    case "preference":
      return `spread over ${reason.label}, fewest containers of ${service} in ${JSON.stringify(reason.value)}`;
    case "spread":
      return `spread, ${
        reason.by === "service"
          ? `fewest containers of ${service}`
          : reason.by === "stack"
            ? "fewest containers of the stack"
            : "first by name"
      }`;
  }
}

const MOST_NUMBERS = 10;

/** The containers that cannot be placed, and for each host why; hosts with the same reasons share a line. */
function showUnplaced({ service, numbers, where, hosts, unknown = [] }: Unplaced): string {
  const shown = numbers.slice(0, MOST_NUMBERS).map((number) => `${service}.${number}`);
  const more = numbers.length - shown.length;
  const names = numbers.length === 0 ? service : shown.join(", ") + (more > 0 ? ` and ${more} more` : "");
  const byReason = new Map<string, string[]>();
  for (const { host, why } of hosts) {
    const text = why.join("; ");
    byReason.set(text, [...(byReason.get(text) ?? []), host]);
  }
  const lines = [...byReason].map(([why, all]) => `  host ${all.join(", ")}: ${why}`);
  const none = hosts.length === 0 ? ["  the stack has no hosts"] : [];
  return [
    `${where}: ${names} cannot be placed`,
    ...unknown.map((text) => `  ${text}`),
    ...lines,
    ...none,
  ].join("\n");
}

/** Throws CANNOT_PLACE with all containers that no host can run. */
export function checkPlaced({ unplaced }: Placement): void {
  if (unplaced.length === 0) return;
  throw new BayError("CANNOT_PLACE", unplaced.map(showUnplaced).join("\n"), {
    hint: "change the placement of these services, or the labels, the capacity or the state of the hosts",
  });
}
