/** Placement of a stack's containers on several hosts. Pure: it knows neither the network nor the kernel. */

export { joinHosts } from "./join-hosts.ts";
export type * from "./model.ts";
export { place } from "./place.ts";
export { checkPlaced, showAssignment, showRemoval } from "./show.ts";
export { type HostPart, splitStack } from "./split.ts";
