/** Error codes: clusters of hosts, and overlay networks between them. */
import type { ErrorEntry } from "./entry.ts";

export const CLUSTER = {
  ALREADY_MEMBER: {
    exit: 1,
    http: 409,
    meaning: "This host is already a member of a cluster.",
    causes: "`bay host init` or `bay host join` was run on a member.",
    fix: "Run `bay host leave` first, if the host should join another cluster.",
  },
  BAD_MEMBER: {
    exit: 1,
    http: 400,
    meaning: "A name, an address or a label of a host is not valid.",
    causes: "The name is not a DNS label, or the address is not an IP address of the host.",
    fix: "Correct the option that the message names.",
  },
  BAD_MTU: {
    exit: 1,
    http: 400,
    meaning: "The MTU of an overlay network is too large for the network between the hosts.",
    causes: "A tunnel adds its headers to each packet.",
    fix: "Remove the option mtu, or set it to the value in the message or less.",
  },
  BAD_TOKEN: {
    exit: 1,
    http: 403,
    meaning: "The token does not allow a host to join.",
    causes: "The token was used, has expired, or belongs to another cluster.",
    fix: "Get a new one with `bay host invite`.",
  },
  HOST_NAME_TAKEN: {
    exit: 1,
    http: 409,
    meaning: "Another member of the cluster has this name or this address.",
    causes: "Two hosts have the same host name.",
    fix: "Join with --name and another name.",
  },
  HOST_NOT_FOUND: {
    exit: 1,
    http: 404,
    meaning: "The cluster has no host with this name.",
    causes: "The name is misspelled, or the host was removed.",
    fix: "`bay host ls` lists the members.",
  },
  NOT_A_MEMBER: {
    exit: 1,
    http: 409,
    meaning: "This host does not belong to a cluster.",
    causes: "Stacks with hosts: and overlay networks require a cluster.",
    fix: "Run `bay host init` on one host, and `bay host join` on the others.",
  },
  NOT_THE_AUTHORITY: {
    exit: 1,
    http: 409,
    meaning: "Only the host with the cluster's authority can change the members.",
    causes: "The command was run on another member.",
    fix: "Run it on the host that the message names.",
  },
  NO_ENCAPSULATION: {
    exit: 1,
    http: 400,
    meaning: "The encapsulation of an overlay network is not possible.",
    causes: "The kernel has no GRE, or the option encrypted is set for an encapsulation without encryption.",
    fix: "Load the module that the hint names, or change encapsulation or encrypted in driver_opts.",
  },
  STACK_BUSY: {
    exit: 1,
    http: 409,
    meaning: "Another command is changing the stack.",
    causes: "`bay up` or `bay down` runs for the same stack on another host.",
    fix: "Wait until it has ended, and make a new plan.",
  },
  UNKNOWN_AUTHORITY: {
    exit: 1,
    http: 403,
    meaning: "The certificate of a host was issued by another authority.",
    causes: "The address belongs to a host of another cluster, or someone intercepts the connection.",
    fix: "Check the address and the token.",
  },
} as const satisfies Record<string, ErrorEntry>;
