/** What the host has, as plain data: the input of the planner beside the stack. */

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
  /** It is left over from an interrupted update. */
  role?: "incoming" | "retiring" | undefined;
  config: ContainerConfig;
  status: Status;
  /** The process is really there. */
  alive: boolean;
  wanted: "running" | "stopped";
  exitCode: number;
  /** What ended it from outside: "out of memory", "killed by SIGKILL". */
  endedBy: string | undefined;
  health: HealthStatus;
  /** Differences between the kernel and the record: a changed limit, a link that is gone. */
  drift: string[];
  anonymousVolumes: string[];
  /** Ports of the host that it has now. */
  boundPorts: HostPort[];
  /** Networks that were replaced since the container got its link. */
  staleNetworks: string[];
  /** What it shares with a container that was restarted since: "shares the network of an earlier run of web". */
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
  /** More subnets, as they were asked for. */
  further?: readonly SubnetConfig[] | undefined;
  /** The user's own. */
  labels: Record<string, string>;
  drift: string[];
}

export interface ActualImage {
  id: string;
  config: ImageConfig;
  /** Why it must be made again; undefined where it is current or not made by bay. */
  stale: string | undefined;
  /** When it came from a registry. */
  pulledAt?: string | undefined;
}

export interface TakenPort extends HostPort {
  /** `nginx (pid 812)`, `the container a of the stack b`. */
  owner: string;
}

export interface Actual {
  /** When the host was observed, in milliseconds since 1970: the planner has no clock of its own. */
  now: number;
  containers: ActualContainer[];
  networks: ActualNetwork[];
  volumes: {
    name: string;
    key: string | undefined;
    stack: string | undefined;
    /** Where it is, if bay does not keep it itself. */
    place?: string | undefined;
    /** The user's own. */
    labels: Record<string, string>;
  }[];
  /** By reference as the stack writes it; absent where it is not on this host. */
  images: Record<string, ActualImage>;
  /** Names of containers that belong to no part of this stack. */
  foreignNames: string[];
  /** The mounts of containers under volumes_from, by the names in the file; absent where there is no such container. */
  containerMounts: Record<string, ContainerConfig["mounts"]>;
  /** Volumes that containers of other stacks have. */
  foreignVolumes: string[];
  /** Containers of other stacks by the networks that they are on. */
  foreignNetworkUsers: Record<string, string>;
  /** Binds of Docker's socket that find none here; bay's own takes its place. */
  withoutDocker: string[];
  /** Ports of the host that the stack publishes, and that others have. */
  takenPorts: TakenPort[];
  /** Why images cannot be made here, by their names. */
  unmakable: Record<string, string[]>;
  /** File systems of bay without room, a line each. */
  fullDisks: string[];
  /** Processors that the host has. */
  cpus: number;
  /** Differences of the host as a whole: bay's nftables table. */
  drift: string[];
}
