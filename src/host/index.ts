/** Clusters of hosts: membership, certificates, and the streams by which hosts learn of each other's containers. */
export { Cluster, type RemoteContainer } from "./cluster.ts";
export { unreachable } from "./identity/peer-agent.ts";
export { ownFacts } from "./membership/host-facts.ts";
export type { Admission } from "./membership/membership.ts";
export { hostFacts, hostLabels, type Member } from "./model/member.ts";
export type { SharedContainer } from "./stream/messages.ts";
