/** Constraints on hosts, with the meaning that they have in Docker (swarmkit, manager/constraint). */
import { addressVersion, canonicalAddress, contains, isRange, parseRange } from "../core/ip.ts";
import { plainArchitecture } from "../core/platforms.ts";
import type { HostLabel, PlacementConstraint } from "../stack/index.ts";
import type { PlacementHost } from "./model.ts";

type Condition = Omit<PlacementConstraint, "where">;

/** The value of a label; empty if the host does not have it. */
export function labelOf(host: PlacementHost, { attribute, label }: HostLabel): string {
  const labels = attribute === "node.labels" ? host.labels : host.engineLabels;
  return (Object.hasOwn(labels, label) ? labels[label] : undefined) ?? "";
}

/** Whether the host meets the constraint. Values are compared without regard to case. */
export function meets(host: PlacementHost, constraint: Condition): boolean {
  return isEqual(host, constraint) === (constraint.operator === "==");
}

function isEqual(host: PlacementHost, { attribute, label = "", value }: Condition): boolean {
  switch (attribute) {
    case "node.id":
      return isSame(host.id, value);
    case "node.hostname":
      return isSame(host.name, value);
    case "node.ip":
      return isAddress(host.address, value);
    case "node.role":
      return isSame(host.role, value);
    case "node.platform.os":
      return isSame(host.platform.os, value);
    case "node.platform.arch":
      return plainArchitecture(host.platform.architecture) === plainArchitecture(value);
    default:
      return isSame(labelOf(host, { attribute, label }), value);
  }
}

const isSame = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

/** An address, or a subnet that contains it. */
function isAddress(address: string, value: string): boolean {
  if (addressVersion(address) === undefined) return isSame(address, value);
  if (addressVersion(value) !== undefined) return canonicalAddress(address) === canonicalAddress(value);
  if (!isRange(value)) return false;
  const range = parseRange(value);
  return range.version === addressVersion(address) && contains(range, address);
}

/** The constraint as Docker writes it. */
export const constraintText = ({ attribute, label, operator, value }: Condition): string =>
  `${attribute}${label === undefined ? "" : `.${label}`} ${operator} ${value}`;
