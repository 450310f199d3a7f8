/** Error codes: plans and updates. */
import type { ErrorEntry } from "./entry.ts";

export const PLAN = {
  APPLY_FAILED: {
    exit: 1,
    http: 500,
    meaning: "Some steps of the plan failed.",
    causes: "The message lists each failed step with its reason.",
    fix: "Fix the causes and run bay up again. It continues with the remaining steps.",
  },
  BAD_PLAN_FILE: {
    exit: 1,
    http: 400,
    meaning: "The file is not a saved plan.",
    causes: "The file was not written by bay plan -o, or was changed.",
    fix: "Create a new one with bay plan -o FILE.",
  },
  DEPENDENCY_FAILED: {
    exit: 1,
    http: 500,
    meaning: "A service that another one depends on did not start, or did not become healthy in time.",
    causes: "The dependency ended, its health check fails, or it has none.",
    fix: "Read the output of the dependency with bay logs.",
  },
  NOT_READY: {
    exit: 1,
    http: 500,
    meaning: "A new container did not become ready during an update.",
    causes: "It ended, or its health check failed.",
    fix: "Read bay logs. The previous containers keep running unless the update is stop-first.",
  },
  NO_BUILD: {
    exit: 1,
    http: 400,
    meaning: "The service has no build section.",
    causes: "The named service only uses an image.",
    fix: "Add a build section, or name other services.",
  },
  NO_REVISION: {
    exit: 1,
    http: 404,
    meaning: "The revision of the stack does not exist.",
    causes: "The number is wrong, or older revisions were removed.",
    fix: "bay history lists the revisions.",
  },
  STALE_PLAN: {
    exit: 1,
    http: 409,
    meaning: "The host has changed since the plan was made.",
    causes: "The stack was changed between bay plan and bay apply.",
    fix: "Create a new plan with bay plan -o FILE.",
  },
  SEVERAL_PROBLEMS: {
    exit: 1,
    http: 409,
    meaning: "Several problems prevent the stack from being applied on this host.",
    causes: "The message lists each of them, such as an external network that does not exist.",
    fix: "Fix all of them. bay plan shows those that remain.",
  },
  TOO_MANY_CPUS: {
    exit: 1,
    http: 400,
    meaning: "The service requests more CPUs than the host has.",
    causes: "cpus or cpuset was written for a larger host.",
    fix: "Lower the value, or remove the key.",
  },
  UPDATE_FAILED: {
    exit: 1,
    http: 500,
    meaning: "The update of a service failed, and was stopped.",
    causes: "A new container did not become ready.",
    fix: "Read the message and bay logs, fix the cause, and run bay up again. bay rollback returns to an older revision.",
  },
  WAIT_FAILED: {
    exit: 1,
    http: 500,
    meaning: "A container did not become ready while the command waited for it.",
    causes: "A container ended, its health check failed, or the timeout is too short.",
    fix: "Read bay logs, or wait longer with --wait-timeout.",
  },
} as const satisfies Record<string, ErrorEntry>;
