/** The words of a plan: steps, each one atomic change to the host, and their reasons. */
import type { ContainerConfig } from "../../container/index.ts";
import type { HostPort } from "../../core/published-ports.ts";
import type { Condition, UpdatePolicy } from "../../stack/index.ts";

export interface Reason {
  /** Such as services.web.mem_limit; empty if the reason is not about a field. */
  field: string;
  from: string | undefined;
  to: string | undefined;
  text: string | undefined;
  /** The host differs from the record; the file did not change. */
  drift: boolean;
}

export type StepKind =
  | "image.build"
  | "image.make"
  | "image.pull"
  | "image.fetch"
  | "network.create"
  | "network.replace"
  | "network.update"
  | "network.remove"
  | "network.repair"
  | "volume.create"
  | "volume.update"
  | "volume.remove"
  | "port.release"
  | "container.create"
  | "container.replace"
  | "container.update"
  | "container.start"
  | "container.restart"
  | "container.remove"
  | "host.repair";

/** How a running container is replaced. */
export interface Rollout {
  order: UpdatePolicy["order"];
  /** Why the old one stops first, if the file does not ask for it. */
  why: string | undefined;
  delayMs: number;
  monitorMs: number;
  failureAction: UpdatePolicy["failureAction"];
  maxFailureRatio: number;
  /** The number of containers of the service that are replaced. */
  replicas: number;
  /** How a rollback replaces containers; as in the update, if the file does not say. */
  back: Pick<UpdatePolicy, "order" | "failureAction"> | undefined;
}

/** The interruption that users of a service notice during a step. */
export interface Interruption {
  /** The longest time that the stop takes: the stop's grace period. */
  stopMs: number;
  /** What ends the interruption. */
  until: "running" | "healthy";
}

export interface Step {
  id: string;
  kind: StepKind;
  /** The object's name on the host. */
  name: string;
  service: string | undefined;
  reasons: Reason[];
  after: string[];
  /** Steps that this one also waits for, even if they fail. */
  afterEnd: string[];
  /** Conditions of other services to wait for before this one starts; one that is not required may fail. */
  waits: { service: string; condition: Condition; required: boolean }[];
  /** For a replacement of a running container. */
  rollout?: Rollout;
  /** Absent if there is no interruption. */
  interruption?: Interruption;
  container:
    | {
        id: string | undefined;
        config: ContainerConfig | undefined;
        start: boolean;
        /** What happens to its anonymous volumes, if they are not kept. */
        volumes?: "renewed" | "removed";
      }
    | undefined;
  /** For a release: the published ports that the container gives up. */
  ports?: HostPort[];
  /** For a replaced network: its containers that the plan replaces too. */
  users?: string[];
}

export interface Plan {
  stack: string;
  steps: Step[];
  warnings: string[];
  /** What the plan cannot do in the current state of the host; absent if no problem is known. */
  problems?: string[];
  /** What stays unchanged although a user may expect a step; absent if there is nothing to mention. */
  notes?: string[];
}

/** A reason that is a sentence. */
export const say = (text: string, drift = false): Reason => ({
  field: "",
  from: undefined,
  to: undefined,
  text,
  drift,
});

/** A reason that is a field with its old and new value. */
export const changeOf = (field: string, from: unknown, to: unknown): Reason => ({
  field,
  from: String(from ?? "(none)"),
  to: String(to ?? "(none)"),
  text: undefined,
  drift: false,
});

/** A step with an ID made of its kind and name; fields that are not given are omitted. */
export const stepOf = (given: Partial<Step> & Pick<Step, "kind" | "name">): Step => ({
  service: undefined,
  reasons: [],
  after: [],
  afterEnd: [],
  waits: [],
  container: undefined,
  ...given,
  id: `${given.kind}:${given.name}`,
});

/** Adds a step to the plan; returns its ID. */
export type AddStep = (step: Partial<Step> & Pick<Step, "kind" | "name">) => string;
