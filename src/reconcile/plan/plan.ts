/**
 * The plan: the steps from the host's state to the stack's description, each with its reasons. A pure function. A step
 * is one atomic change; `after` lists the steps that must be done before it.
 */
import { BayError } from "../../core/errors.ts";
import { chooseServices, dependenciesOf, type Service, type Stack } from "../../stack/index.ts";
import { isHere } from "../decide/numbers.ts";
import type { Actual } from "../model/actual.ts";
import type { Plan } from "../model/step.ts";
import { Draft } from "./draft.ts";
import { ImagePlan } from "./images.ts";
import { planNetworks } from "./networks.ts";
import {
  checkAvailable,
  checkContainerVolumes,
  checkNames,
  PLAN_DEFAULTS,
  type PlanOptions,
} from "./options.ts";
import { planOrphans, removedServices } from "./orphans.ts";
import { planPortReleases } from "./ports.ts";
import { findProblems } from "./problems.ts";
import { ServicePlan } from "./services.ts";
import { planVolumes } from "./volumes.ts";
import { warnOfDependents, warnOfRenamedVolumes, warnOfSockets } from "./warnings.ts";

/**
 * Throws UNKNOWN_SERVICE, and IMAGE_NOT_FOUND, VOLUME_NOT_FOUND, NETWORK_NOT_FOUND, NETWORK_IN_USE, VOLUMES_FROM, NAME_TAKEN,
 * NO_COMMAND, TOO_MANY_CPUS, UNAVAILABLE; or SEVERAL_PROBLEMS, with all of them and the problems that the plan would have.
 */
export function makePlan(stack: Stack, actual: Actual, options: PlanOptions = PLAN_DEFAULTS): Plan {
  const selected = selectServices(stack, options);
  const here = selected.filter(isHere);
  const draft = new Draft(stack, actual, options);
  const { attempt } = draft.refusals;
  attempt(() => checkAvailable(stack, here), undefined);
  attempt(() => checkContainerVolumes(actual, here), undefined);
  attempt(() => checkCpus(actual, here), undefined);
  warnOfSockets(draft, here);
  const images = new ImagePlan(draft);
  images.add(here);
  const leaving = new Set([...removedServices(draft), ...selected.map(({ name }) => name)]);
  const networks = planNetworks(draft, here, leaving);
  draft.networkChanges = networks.replaced;
  warnOfRenamedVolumes(draft, here);
  const base = [...networks.steps, ...planVolumes(draft, here)];
  if (options.baseOnly) {
    draft.refusals.throwAll([]);
    return { stack: stack.name, steps: draft.steps, warnings: [] };
  }
  // removals free names and ports for new containers
  planOrphans(draft);
  const services = new ServicePlan(draft, images);
  for (const service of inDependencyOrder(stack, selected))
    attempt(() => services.add(service, base), undefined);
  planPortReleases(draft.steps, actual, draft.add);
  warnOfDependents(draft, selected);
  draft.repairHost();
  const { steps, warnings, notes } = draft;
  const problems = findProblems(steps, stack, actual);
  draft.refusals.throwAll(problems);
  return {
    stack: stack.name,
    steps,
    warnings,
    ...(problems.length > 0 ? { problems } : {}),
    ...(notes.length > 0 ? { notes } : {}),
  };
}

/**
 * The steps that build the images of a stack and make those that it defines, without its containers: for hosts that get them from
 * this one. Throws IMAGE_NOT_FOUND, UNKNOWN_SERVICE.
 */
export function makeImagePlan(stack: Stack, actual: Actual, options: PlanOptions): Plan {
  const draft = new Draft(stack, actual, options);
  new ImagePlan(draft).add(selectServices(stack, options).filter(isHere));
  const problems = findProblems(draft.steps, stack, actual);
  draft.refusals.throwAll(problems);
  return {
    stack: stack.name,
    steps: draft.steps,
    warnings: [],
    ...(problems.length > 0 ? { problems } : {}),
  };
}

/** Checks what the host lacks before any step runs. */
function checkCpus({ cpus: host }: Actual, services: readonly Service[]): void {
  const tooMany = services.filter(({ resources: { cpus = 0 } }) => cpus > host);
  if (tooMany.length === 0) return;
  const all = tooMany.map(({ name, resources }) => `services.${name}.cpus: ${resources.cpus}`).join(", ");
  throw new BayError("TOO_MANY_CPUS", `${all}; the host has ${host}`, {
    hint: `use at most ${host}, or remove the key`,
  });
}

function selectServices(stack: Stack, options: PlanOptions): Service[] {
  const { services } = stack;
  checkNames(stack, options);
  if (options.services.length === 0) return Object.values(services);
  const needs = options.noDeps ? () => [] : dependenciesOf;
  const chosen = new Set(chooseServices(stack, options.services, needs));
  return Object.values(services).filter((service) => chosen.has(service));
}

/** Sorts services so that dependencies come before their dependants. */
export function inDependencyOrder(stack: Stack, services: readonly Service[]): Service[] {
  const chosen = new Set(services.map(({ name }) => name));
  const ordered: Service[] = [];
  const done = new Set<string>();
  const visit = (service: Service) => {
    if (done.has(service.name)) return;
    done.add(service.name);
    for (const name of dependenciesOf(service))
      if (chosen.has(name) && stack.services[name]) visit(stack.services[name]);
    ordered.push(service);
  };
  for (const service of services) visit(service);
  return ordered;
}
