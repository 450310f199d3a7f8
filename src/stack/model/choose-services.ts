/** Selecting the services that a user names. */
import { BayError } from "../../core/errors.ts";
import type { Service, Stack } from "./stack.ts";

/** Throws UNKNOWN_SERVICE, which lists the existing services. */
export function serviceOf(
  { name: stack, services }: Pick<Stack, "name" | "services">,
  name: string,
): Service {
  const service = Object.hasOwn(services, name) ? services[name] : undefined;
  if (service) return service;
  throw new BayError("UNKNOWN_SERVICE", `the stack ${stack} has no service ${name}`, {
    hint: `its services are: ${Object.keys(services).join(", ")}`,
  });
}

/**
 * The named services, or all, and those that `needs` returns for each, if the stack has them; dependencies come
 * first. Throws UNKNOWN_SERVICE.
 */
export function chooseServices(
  stack: Pick<Stack, "name" | "services">,
  names: readonly string[],
  needs: (service: Service) => Iterable<string>,
): Service[] {
  const seen = new Set<string>();
  const chosen: Service[] = [];
  const choose = (service: Service) => {
    if (seen.has(service.name)) return;
    seen.add(service.name);
    for (const other of needs(service)) if (stack.services[other]) choose(stack.services[other]);
    chosen.push(service);
  };
  for (const name of names.length > 0 ? names : Object.keys(stack.services)) choose(serviceOf(stack, name));
  return chosen;
}
