/** A stack as its files describe it: normalised, in final units; only images remain to be resolved. */

import type { BridgeOptions } from "../../core/bridge-options.ts";
import type { IngressPort } from "../../core/published-ports.ts";
import type { OverlayOptions, PeerImage, StackHosts } from "./placement.ts";
import type { Service } from "./service.ts";
import type { StackImage } from "./stack-image.ts";

export type { IngressPort } from "../../core/published-ports.ts";
export type * from "./placement.ts";
export type * from "./service.ts";
export type * from "./stack-build.ts";
export type * from "./stack-image.ts";

export interface Stack {
  name: string;
  directory: string;
  files: string[];
  /** Absent for a stack of one host. */
  hosts?: StackHosts;
  /** Files of git repositories and registries by their addresses: the commits or digests. */
  remotes?: Record<string, string>;
  services: Record<string, Service>;
  /** Services of the file whose profiles are not enabled. */
  disabled: string[];
  networks: Record<string, StackNetwork>;
  volumes: Record<string, StackVolume>;
  images: Record<string, StackImage>;
  secrets: Record<string, GivenContent>;
  configs: Record<string, GivenContent>;
  /** In the part of one host: images that it gets from other hosts, by name. */
  peerImages?: Record<string, PeerImage>;
  /** In the part of one host: the ports that it passes on. */
  ingress?: IngressPort[];
}

/** The source of a secret or a config. The content of a secret is never shown. */
export type GivenContent = (
  | { file: string }
  | { environment: string; value: string | undefined }
  | { content: string }
) & {
  /** sha256 of the content, in hex; empty if it could not be read, which is allowed for a build. */
  digest: string;
};

/** A driver of networks, addresses or volumes that this host lacks: the file loads, but services cannot use it. */
export interface MissingDriver {
  /** Absent if the driver is the usual one and only the address driver is missing. */
  driver?: string;
  ipamDriver?: string;
  options: Record<string, string>;
  /** Includes the place in the file. */
  message: string;
}

export interface StackSubnet {
  subnet: string | undefined;
  gateway: string | undefined;
  /** The part of the subnet that containers get addresses from. */
  range?: string;
  /** Reserved addresses, by name. */
  reserved?: Record<string, string>;
}

/** The subnet of `StackSubnet` is the first IPv4 subnet. */
export interface StackNetwork extends StackSubnet {
  /** The name on the host. */
  name: string;
  external: boolean;
  internal: boolean;
  /** Whether containers have an IPv6 address as well. */
  ipv6?: boolean;
  /** Additional IPv4 subnets, and all IPv6 subnets. */
  further?: StackSubnet[];
  options?: BridgeOptions;
  /** Absent for a network of one host. */
  overlay?: OverlayOptions;
  missingDriver?: MissingDriver;
  mtu: number | undefined;
  labels: Record<string, string>;
}

export interface StackVolume {
  name: string;
  external: boolean;
  /** A directory of the host that is bound as the volume; absent if bay keeps the files. */
  device?: string | undefined;
  /** A file system that is mounted as the volume, by mount(8). */
  mount?: { type: string; device: string; options: string } | undefined;
  missingDriver?: MissingDriver;
  labels: Record<string, string>;
}
