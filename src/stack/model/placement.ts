/** What a stack file says about several hosts: their names, where containers run, and the networks between them. */
import { LIMITS } from "../../core/limits.ts";

/** The hosts of a stack: all members, or those that the file names. */
export type StackHosts = "all" | Record<string, StackHost>;

export interface StackHost {
  /** An IP address or a DNS name; undefined if the member's own address is used. */
  address: string | undefined;
  /** The TCP port of bayd on the host; undefined for the default. */
  port?: number | undefined;
  labels: Record<string, string>;
}

/** An image that no registry has, and that a host gets from another one. */
export interface PeerImage {
  /** The name of the host that has it. */
  from: string;
  /** The image's ID and the digest of its manifest; absent in a plan, if the image is not made yet. */
  known?: { id: string; manifest: string };
  /** Of an image of `images:`: the definition and the state of its inputs, as recorded where it was made. */
  made?: { definition: string; base: string; inputs: [path: string, size: number, mtimeMs: number][] };
}

/** What a constraint compares; the last two have the name of a label as well. */
export type HostAttribute =
  | "node.id"
  | "node.hostname"
  | "node.ip"
  | "node.role"
  | "node.platform.os"
  | "node.platform.arch"
  | "node.labels"
  | "engine.labels";

/** A label of a host: `node.labels.NAME` or `engine.labels.NAME`. */
export interface HostLabel {
  attribute: "node.labels" | "engine.labels";
  label: string;
}

/** One entry of deploy.placement.constraints. */
export interface PlacementConstraint {
  attribute: HostAttribute;
  /** The name of the label; case matters. */
  label?: string;
  operator: "==" | "!=";
  /** Compared without regard to case, as in Docker. */
  value: string;
  /** The place in the file, for errors: `bay.yaml:4:7: services.web.deploy.placement.constraints.0`. */
  where: string;
}

/** Where the containers of a service may run. Only services of a stack with hosts have it. */
export interface ServicePlacement {
  /** Names under the service's `host`; absent if it may run on every host. */
  hosts?: string[];
  constraints: PlacementConstraint[];
  /** Containers are spread over the values of these labels, those of the first label first. */
  spread: HostLabel[];
  /** Undefined if there is no limit. */
  maxPerHost: number | undefined;
  /** One container on each host, instead of a number of containers. */
  isGlobal: boolean;
  /** Billionths of a CPU that each container reserves. */
  reservedCpu: number | undefined;
  /** The platform of the image, as the file gives it; undefined for any. */
  platform: string | undefined;
  /** The place of the service's placement, or of the service itself, for errors. */
  where: string;
}

export const ENCAPSULATIONS = ["vxlan", "gre", "ovs-gre", "ovs-vxlan", "route"] as const;

/** A network that spans the hosts of a stack. Its MTU is in `StackNetwork`. */
export interface OverlayOptions {
  encapsulation: (typeof ENCAPSULATIONS)[number];
  isEncrypted: boolean;
  /** Containers that do not belong to a stack may join. */
  isAttachable: boolean;
  /** The VXLAN network identifier, or the key of GRE; undefined if bay chooses it. */
  id: number | undefined;
  /** The UDP port of VXLAN; undefined for the default. */
  port: number | undefined;
}

/** Bounds of the words about hosts. */
export const HOST_LIMITS = LIMITS.hosts;
