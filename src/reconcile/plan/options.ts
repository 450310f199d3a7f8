/** The options of a plan, and the checks that do not need the host. Pure. */
import { BayError } from "../../core/errors.ts";
import { fixedPorts } from "../../core/published-ports.ts";
import { type Service, type Stack, serviceOf } from "../../stack/index.ts";
import type { Actual } from "../model/actual.ts";

export interface PlanOptions {
  /** Only these services and their dependencies; empty means all. */
  services: readonly string[];
  noDeps: boolean;
  removeOrphans: boolean;
  /** Do not warn about containers whose services the stack no longer has. */
  ignoreOrphans?: boolean | undefined;
  forceRecreate: boolean;
  /** Also replace the dependencies of the named services. */
  recreateDependencies?: boolean | undefined;
  noRecreate: boolean;
  noStart: boolean;
  /** Give replaced containers new anonymous volumes instead of the existing ones. */
  renewVolumes?: boolean | undefined;
  /** Only what containers use: images, networks, volumes. */
  baseOnly: boolean;
  scale: Readonly<Record<string, number>>;
  /** Start these services again if they ended with exit code 0; an empty list means all. */
  rerun?: readonly string[] | undefined;
  /** Overrides the services' own policy; `never` is also used after the requested pulls. */
  pull?: "always" | "missing" | "never" | undefined;
  /** Build every image that has a build, or none; if undefined, build those that are missing. */
  build?: boolean | undefined;
}

export const PLAN_DEFAULTS: PlanOptions = {
  services: [],
  noDeps: false,
  removeOrphans: false,
  forceRecreate: false,
  noRecreate: false,
  noStart: false,
  baseOnly: false,
  scale: {},
};

/** Checks the user's options without the host. Throws UNKNOWN_SERVICE, FIXED_PORT. */
export function checkNames(stack: Stack, options: PlanOptions): void {
  for (const name of options.services) serviceOf(stack, name);
  for (const [name, count] of Object.entries(options.scale)) {
    const service = serviceOf(stack, name);
    const [fixed] = fixedPorts(service.ports);
    if (fixed && count > 1)
      throw new BayError(
        "FIXED_PORT",
        `service ${name} publishes port ${fixed.hostPort}, which allows one container, not ${count}`,
        { hint: "publish a range of ports, or omit the published port to get a free one" },
      );
  }
  for (const name of options.rerun ?? []) serviceOf(stack, name);
}

/** Throws UNAVAILABLE for a stack of several hosts, and for services that need what this host lacks, themselves or through their networks and volumes. */
export function checkAvailable(stack: Stack, services: readonly Service[]): void {
  if (stack.hosts !== undefined)
    throw new BayError("UNAVAILABLE", "this command does not support stack files with hosts:", {
      hint: "use plan, up, down, or the container commands, which work on all hosts",
    });
  const all = services.flatMap(({ unavailable = [], networks, mounts }) => [
    ...unavailable,
    ...Object.keys(networks).flatMap((key) => stack.networks[key]?.missingDriver ?? []),
    ...mounts.flatMap((mount) =>
      mount.type === "volume" ? (stack.volumes[mount.source]?.missingDriver ?? []) : [],
    ),
  ]);
  if (all.length === 0) return;
  throw new BayError("UNAVAILABLE", [...new Set(all.map(({ message }) => message))].join("\n"), {
    hint: "remove these keys, or name the other services on the command line",
  });
}

/** Throws VOLUMES_FROM if a container under volumes_from does not exist on this host. */
export function checkContainerVolumes({ containerMounts }: Actual, services: readonly Service[]): void {
  const missing = services
    .flatMap(({ containerVolumes = [] }) => containerVolumes)
    .filter(({ container }) => !Object.hasOwn(containerMounts, container));
  if (missing.length === 0) return;
  const lines = missing.map(({ container, where }) => `${where}: the container ${container} does not exist`);
  throw new BayError("VOLUMES_FROM", [...new Set(lines)].join("\n"), {
    hint: "create that container first, or correct its name",
  });
}
