/** The door of the reconciler. Plan and print are pure; apply runs a plan through an executor. */

export { applyPlan, type Executor, type Progress, type Say } from "./apply/apply.ts";
export { showBytes } from "./decide/compare.ts";
export { type Decision, decide, type Wanted } from "./decide/decide.ts";
export { containerName, desiredConfig, mountedImages } from "./decide/desired.ts";
export type * from "./model/actual.ts";
export type { Interruption, Plan, Rollout, Step } from "./model/step.ts";
export { type DownOptions, makeDownPlan } from "./plan/down.ts";
export { furtherSubnets, placeOf, reservedAddresses } from "./plan/networks-and-volumes.ts";
export { makeOneOffPlan, type OneOffRequest } from "./plan/one-off.ts";
export {
  checkNames,
  inDependencyOrder,
  makePlan,
  PLAN_DEFAULTS,
  type PlanOptions,
} from "./plan/plan.ts";
export { printPlan, reasonText, SIGNS, summary } from "./show/print.ts";
