/** How a service's containers are replaced: deploy.update_config, and deploy.rollback_config for the rollback. */

import type { Service, UpdatePolicy } from "../model/stack.ts";
import type { ServiceReader } from "./service-reader.ts";

/** Compose's defaults: one at a time, stop-first, and a pause at the first failure. */
export function readUpdatePolicy(
  reader: ServiceReader,
  key: "update_config" | "rollback_config",
): UpdatePolicy | undefined {
  const given = reader.input.deploy?.[key];
  if (!given) return undefined;
  const at = (name: string) => ["deploy", key, name];
  const parallelism = Number(given.parallelism ?? 1);
  if (parallelism < 0) reader.bad(at("parallelism"), "the number of containers must not be negative");
  const maxFailureRatio = Number(given.max_failure_ratio ?? 0);
  if (!(maxFailureRatio >= 0 && maxFailureRatio <= 1)) reader.bad(at("max_failure_ratio"), "expected 0 to 1");
  if (key === "rollback_config" && given.failure_action === "rollback")
    reader.bad(at("failure_action"), "a rollback cannot be rolled back; use pause or continue");
  if (key === "rollback_config")
    for (const name of ["parallelism", "delay", "monitor", "max_failure_ratio"] as const)
      if (given[name] !== undefined)
        reader.note(at(name), "bay rolls containers back one after the other without a delay");
  return {
    order: given.order ?? "stop-first",
    parallelism,
    delayMs: reader.duration(at("delay"), given.delay) ?? 0,
    monitorMs: reader.duration(at("monitor"), given.monitor) ?? 0,
    failureAction: given.failure_action ?? "pause",
    maxFailureRatio,
  };
}

/** start-first runs two containers for a while. */
export function checkOrders(reader: ServiceReader, service: Service): void {
  const why = keyForOne(service);
  if (!why) return;
  for (const key of startFirstKeys(service)) {
    if (why === "container_name") {
      // as in Compose the file is accepted; two containers cannot have the same name
      const field = key === "update_config" ? "update" : "rollback";
      const policy = service[field];
      if (policy) service[field] = { ...policy, order: "stop-first" };
      reader.note(["deploy", key, "order"], "container_name allows one container, so stop-first is used");
      continue;
    }
    reader.bad(
      ["deploy", key, "order"],
      `start-first runs the old and the new container at the same time, but ${why} allows one`,
      `remove ${why}, or use stop-first`,
    );
  }
}

/** The keys of `deploy` that ask for start-first. */
export function startFirstKeys({ update, rollback }: Service): ("update_config" | "rollback_config")[] {
  return [
    ...(update?.order === "start-first" ? (["update_config"] as const) : []),
    ...(rollback?.order === "start-first" ? (["rollback_config"] as const) : []),
  ];
}

/** The key that limits a service to one container; undefined if no key does. */
export function keyForOne({ containerName, networks }: Service): string | undefined {
  if (containerName) return "container_name";
  const all = Object.values(networks);
  if (all.some(({ ipv4 }) => ipv4 !== undefined)) return "ipv4_address";
  if (all.some(({ ipv6 }) => ipv6 !== undefined)) return "ipv6_address";
  return all.some(({ mac }) => mac !== undefined) ? "mac_address" : undefined;
}
