/** Problems of a plan on this host, as far as they are known beforehand. Pure. */
import type { ContainerConfig } from "../../container/index.ts";
import { fixedPorts, portsOverlap } from "../../core/published-ports.ts";
import type { Stack } from "../../stack/index.ts";
import type { Actual } from "../model/actual.ts";
import type { Step } from "../model/step.ts";
import { portText } from "./ports.ts";

/** One line for each problem, without duplicates: ports in use, images that cannot be made, missing sources, full disks. */
export function findProblems(steps: readonly Step[], stack: Stack, actual: Actual): string[] {
  const images = steps
    .filter(({ kind }) => kind.startsWith("image."))
    .flatMap(({ name }) => actual.unmakable[name] ?? []);
  const needsRoom = steps.some(({ kind }) => NEEDS_ROOM.test(kind));
  return [
    ...new Set([
      ...images,
      ...(needsRoom ? actual.fullDisks : []),
      ...steps.flatMap((step) => missingSources(step, stack, actual)),
      ...steps.flatMap((step) => takenPorts(step, stack, actual)),
    ]),
  ];
}

const NEEDS_ROOM = /^image\.|^volume\.create$|^container\.(create|replace)$/;

/** Mounts, devices, secrets and configs of a new container whose source does not exist. */
function missingSources({ kind, service = "" }: Step, stack: Stack, actual: Actual): string[] {
  if (kind !== "container.create" && kind !== "container.replace") return [];
  const files = stack.services[service]?.files ?? [];
  return [
    ...(actual.missing[service] ?? []),
    ...files
      .filter(({ kind, source }) => stack[`${kind}s`][source]?.digest === "")
      .map(({ kind, source }) => `${kind}s.${source}: ${whatIsMissing(stack, kind, source)}`),
  ];
}

/** Why a secret or config has no content. */
export function whatIsMissing(stack: Stack, kind: "secret" | "config", name: string): string {
  const given = stack[`${kind}s`][name];
  if (given && "environment" in given) return `the variable ${given.environment} is not set`;
  return given && "file" in given
    ? `the file ${given.file} does not exist`
    : "the stack file does not define it";
}

function takenPorts({ kind, service, name, container }: Step, stack: Stack, actual: Actual): string[] {
  if (!container || (kind !== "container.update" && !container.start)) return [];
  const known = actual.containers.find(({ id }) => id === container.id);
  if (kind === "container.update" && !known?.alive) return [];
  // until its image is made, only the file tells what the container will be
  const isMade = kind === "container.create" || kind === "container.replace";
  const config = container.config ?? (isMade ? stack.services[service ?? ""] : known?.config);
  if (config?.networkMode !== "bridge") return [];
  return newPorts(config, known?.boundPorts ?? []).flatMap((port) => {
    const taken = actual.takenPorts.find((other) => portsOverlap(other, port));
    if (!taken) return [];
    const where = service === undefined ? name : `services.${service}.ports`;
    return [`${where}: port ${portText(port)} is taken by ${taken.owner}; stop it, or publish another port`];
  });
}

/** Ports that the container does not have yet. */
const newPorts = (
  { ports }: Pick<ContainerConfig, "ports">,
  bound: Actual["containers"][number]["boundPorts"],
) => fixedPorts(ports).filter((port) => !bound.some((own) => portsOverlap(own, port)));
