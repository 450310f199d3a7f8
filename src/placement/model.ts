/** What placement decides from, and what it decides: plain data. */

export interface PlacementHost {
  name: string;
  id: string;
  address: string;
  /** Labels of the member, with those of the file over them. */
  labels: Readonly<Record<string, string>>;
  role: string;
  /** By Docker's names or the kernel's: amd64 equals x86_64. */
  platform: { os: string; architecture: string };
  engineLabels: Readonly<Record<string, string>>;
  /** What containers of the stack may reserve: billionths of a CPU, and bytes. */
  capacity: { nanoCpus: number; memory: number };
  /** A drained host keeps nothing; an unreachable one keeps what it has, and gets nothing new. */
  state: "ready" | "unreachable" | "drained";
}

/** A container by its service and number, and the host that it runs on. */
export interface PlacedContainer {
  service: string;
  number: number;
  host: string;
}

/** What runs where. One-off containers are left out. */
export interface Running {
  containers: readonly PlacedContainer[];
  /** Local volumes by their names on the host. One name on two hosts means two volumes. */
  volumes: readonly { name: string; host: string }[];
}

export type PlacementReason =
  /** It runs there. */
  | { kind: "stays" }
  /** It ran there when the host was last heard. */
  | { kind: "unreachable" }
  /** The service has one container on each host. */
  | { kind: "global" }
  /** The service names this host. */
  | { kind: "pinned" }
  | { kind: "volume"; volume: string }
  /** A container of this service is there, of which it shares a namespace or volumes. */
  | { kind: "partner"; service: string }
  /** No other host can run it. */
  | { kind: "only" }
  /** Of the hosts with this value of a label, which had the fewest containers of the service. */
  | { kind: "preference"; label: string; value: string }
  /** The host with the fewest containers of the service, or of the stack, or the first by name. */
  | { kind: "spread"; by: "service" | "stack" | "name" };

export interface Assignment extends PlacedContainer {
  reason: PlacementReason;
  /** Absent if it is new, or runs there. */
  moved?: { from: string; why: string };
}

/** A running container that the stack no longer needs. */
export interface Removal extends PlacedContainer {
  why: string;
}

/** Containers of a service that no host can run. */
export interface Unplaced {
  service: string;
  /** Empty for a service with one container on each host. */
  numbers: number[];
  /** The place in the file, or the name of the service. */
  where: string;
  /** For each host, why it cannot run them. */
  hosts: { host: string; why: string[] }[];
  /** Hosts that the service names and that do not exist. */
  unknown?: string[];
}

/** If `unplaced` has entries, the rest is incomplete and must not be applied. All lists are sorted. */
export interface Placement {
  assignments: Assignment[];
  removals: Removal[];
  unplaced: Unplaced[];
}

export interface PlacementOptions {
  /** The number of containers of services, in place of the file's. */
  scale?: Readonly<Record<string, number>>;
}
