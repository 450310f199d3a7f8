/** The observed state of the host, as plain data: the planner's input beside the stack. */

import type { ContainerConfig, HealthStatus, Status } from "../../container/index.ts";
import type { BridgeOptions } from "../../core/bridge-options.ts";
import type { HostPort } from "../../core/published-ports.ts";
import type { ImageConfig } from "../../image/index.ts";
import type { SubnetConfig } from "../../network/index.ts";

export interface ActualContainer {
  id: string;
  name: string;
  service: string;
  number: number;
  oneOff: boolean;
  /** It was left by an interrupted update. */
  role?: "incoming" | "retiring" | undefined;
  config: ContainerConfig;
  status: Status;
  /** The process exists in the kernel. */
  alive: boolean;
  wanted: "running" | "stopped";
  exitCode: number;
  /** Why it was ended from outside: "out of memory", "killed by SIGKILL". */
  endedBy: string | undefined;
  health: HealthStatus;
  /** Differences between the kernel and the record, such as a changed limit or a missing link. */
  drift: string[];
  anonymousVolumes: string[];
  /** Host ports that it publishes now. */
  boundPorts: HostPort[];
  /** Networks that were replaced since the container got its link. */
  staleNetworks: string[];
  /** Why it must restart with a container that was restarted since: "shares the network of an earlier run of web". */
  lostShares: string[];
  addresses: Record<string, string>;
}

export interface ActualNetwork {
  name: string;
  key: string;
  stack: string | undefined;
  subnet: string;
  internal: boolean;
  mtu: number | undefined;
  options?: BridgeOptions | undefined;
  gateway: string;
  range?: string | undefined;
  reserved?: readonly string[] | undefined;
  ipv6?: boolean | undefined;
  /** Additional subnets, as they were requested. */
  further?: readonly SubnetConfig[] | undefined;
  /** Labels that the user set. */
  labels: Record<string, string>;
  drift: string[];
}

export interface ActualImage {
  id: string;
  config: ImageConfig;
  /** Why it must be made again; undefined if it is current or was not made by bay. */
  stale: string | undefined;
  /** When it was pulled from a registry. */
  pulledAt?: string | undefined;
}

export interface TakenPort extends HostPort {
  /** `nginx (pid 812)`, `the container a of the stack b`. */
  owner: string;
}

export interface Actual {
  /** When the host was observed, in milliseconds since 1970: the planner does not read the clock. */
  now: number;
  containers: ActualContainer[];
  networks: ActualNetwork[];
  volumes: {
    name: string;
    key: string | undefined;
    stack: string | undefined;
    /** Where the files are, if bay does not keep them itself. */
    place?: string | undefined;
    /** Labels that the user set. */
    labels: Record<string, string>;
  }[];
  /** By reference as the stack writes it; absent if this host does not have it. */
  images: Record<string, ActualImage>;
  /** Names of containers that do not belong to the services in this plan. */
  foreignNames: string[];
  /** The mounts of containers under volumes_from, by the names in the file; absent if the container does not exist. */
  containerMounts: Record<string, ContainerConfig["mounts"]>;
  /** Volumes that containers of other stacks use. */
  foreignVolumes: string[];
  /** Containers of other stacks by the networks that they are on. */
  foreignNetworkUsers: Record<string, string>;
  /** Binds of Docker's socket, which does not exist on this host; bay's socket is mounted instead. */
  withoutDocker: string[];
  /** Host ports that the stack publishes and that others use. */
  takenPorts: TakenPort[];
  /** Why images cannot be made on this host, by image name. */
  unmakable: Record<string, string[]>;
  /** Sources of mounts, devices and containers to share with that this host does not have, one line each, by service. */
  missing: Record<string, string[]>;
  /** File systems of bay that are nearly full, one line each. */
  fullDisks: string[];
  /** The number of processors of the host. */
  cpus: number;
  /** Differences that concern the whole host: bay's nftables table. */
  drift: string[];
}
