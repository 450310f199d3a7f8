/** The reconciler's interface. Plan and print are pure; apply runs a plan through an executor. */

export { applyPlan, type Executor, type Progress, type Say } from "./apply/apply.ts";
export { type Decision, decide, type Wanted } from "./decide/decide.ts";
export { desiredConfig, mountedImages } from "./decide/desired.ts";
export { showBytes } from "./decide/shown-fields.ts";
export type * from "./model/actual.ts";
export type { Plan, Rollout, Step } from "./model/step.ts";
export { type DownOptions, makeDownPlan } from "./plan/down.ts";
export { furtherSubnets, reservedAddresses } from "./plan/networks.ts";
export { makeOneOffPlan, type OneOffRequest } from "./plan/one-off.ts";
export { checkNames, PLAN_DEFAULTS, type PlanOptions } from "./plan/options.ts";
export { makeImagePlan, makePlan } from "./plan/plan.ts";
export { whatIsMissing } from "./plan/problems.ts";
export { placeOf } from "./plan/volumes.ts";
export { printPlan, reasonText } from "./show/print.ts";
