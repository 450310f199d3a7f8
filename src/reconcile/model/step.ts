/** The words of a plan: steps, each one atomic change to the host, and their reasons. */
import type { ContainerConfig } from "../../container/index.ts";
import type { HostPort } from "../../core/published-ports.ts";
import type { Condition, UpdatePolicy } from "../../stack/index.ts";

export interface Reason {
  /** services.web.mem_limit; empty for one that is not about a field. */
  field: string;
  from: string | undefined;
  to: string | undefined;
  text: string | undefined;
  /** The host moved away from the record; the file did not change. */
  drift: boolean;
}

export type StepKind =
  | "image.build"
  | "image.make"
  | "image.pull"
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
  /** Why the old one stops first, where the file does not say it. */
  why: string | undefined;
  delayMs: number;
  monitorMs: number;
  failureAction: UpdatePolicy["failureAction"];
  maxFailureRatio: number;
  /** Containers of the service that are replaced. */
  replicas: number;
  /** How what was replaced is brought back; as it was replaced where the file does not say. */
  back: Pick<UpdatePolicy, "order" | "failureAction"> | undefined;
}

/** What users of a service notice of a step. */
export interface Interruption {
  /** The longest that the stop takes: the stop's grace. */
  stopMs: number;
  /** What ends it. */
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
  /** Steps that this one waits for too, even if they fail. */
  afterEnd: string[];
  /** Conditions of other services to wait for before this one starts; one that is not required may fail. */
  waits: { service: string; condition: Condition; required: boolean }[];
  /** Of a replacement of a container that runs. */
  rollout?: Rollout;
  /** Absent if there is no interruption. */
  interruption?: Interruption;
  container:
    | {
        id: string | undefined;
        config: ContainerConfig | undefined;
        start: boolean;
        /** What becomes of its anonymous volumes, where they do not stay. */
        volumes?: "renewed" | "removed";
      }
    | undefined;
  /** Of a release: the published ports that the container gives up. */
  ports?: HostPort[];
  /** Of a replaced network: the containers on it that the plan replaces too. */
  users?: string[];
}

export interface Plan {
  stack: string;
  steps: Step[];
  warnings: string[];
  /** What of it cannot be done as the host is now; absent where nothing is known. */
  problems?: string[];
  /** What stays as it is although a user may expect a step; absent where there is nothing to say. */
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

/** A step with an id of its kind and name, and nothing where nothing is given. */
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

/** Adds a step to the plan; gives its id. */
export type AddStep = (step: Partial<Step> & Pick<Step, "kind" | "name">) => string;
