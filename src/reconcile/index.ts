/** The door of the reconciler. Plan and print are pure; apply runs a plan through an executor. */
export type * from "./actual.ts";
export { applyPlan, type Executor, type Progress, type Say } from "./apply.ts";
export { showBytes } from "./compare.ts";
export { type Decision, decide, type Wanted } from "./decide.ts";
export { containerName, desiredConfig, mountedImages } from "./desired.ts";
export {
  checkNames,
  inDependencyOrder,
  makePlan,
  PLAN_DEFAULTS,
  type PlanOptions,
} from "./plan.ts";
export { furtherSubnets, placeOf, reservedAddresses } from "./plan-base.ts";
export { type DownOptions, makeDownPlan } from "./plan-down.ts";
export { makeOneOffPlan, type OneOffRequest } from "./plan-one-off.ts";
export { printPlan, reasonText, SIGNS, summary } from "./print.ts";
export type { Interruption, Plan, Rollout, Step } from "./step.ts";
