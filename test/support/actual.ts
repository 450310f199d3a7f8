/** What a host has, for planner tests: everything that a stack says, already there. */
import type { ContainerConfig } from "../../src/container/index.ts";
import { fixedPorts } from "../../src/core/published-ports.ts";
import type { Actual, ActualContainer, Plan } from "../../src/reconcile/index.ts";
import { desiredConfig, furtherSubnets, placeOf, reservedAddresses } from "../../src/reconcile/index.ts";
import type { Stack } from "../../src/stack/index.ts";

export const IMAGE = {
  id: `sha256:${"1".repeat(64)}`,
  config: {
    architecture: "amd64",
    os: "linux",
    config: { Cmd: ["serve"], Env: ["PATH=/bin"] },
    rootfs: { type: "layers" as const, diff_ids: [] },
  },
};

export const NOTHING: Actual = {
  now: Date.parse("2026-01-02T03:04:05Z"),
  containers: [],
  networks: [],
  volumes: [],
  images: { app: { ...IMAGE, stale: undefined } },
  foreignNames: [],
  containerMounts: {},
  foreignVolumes: [],
  foreignNetworkUsers: {},
  withoutDocker: [],
  takenPorts: [],
  unmakable: {},
  missing: {},
  fullDisks: [],
  cpus: 4,
  drift: [],
};

/** A container as the host has it once it was made from a config. */
function running(config: ContainerConfig, service: string, number: number): ActualContainer {
  const id = `${service}${number}`.padEnd(64, "0");
  return {
    id,
    name: config.name,
    service,
    number,
    oneOff: false,
    config: { ...config, hostname: config.hostname || id.slice(0, 12) },
    status: "running",
    alive: true,
    wanted: "running",
    exitCode: 0,
    endedBy: undefined,
    health: "none",
    drift: [],
    anonymousVolumes: [],
    boundPorts: fixedPorts(config.ports),
    staleNetworks: [],
    lostShares: [],
    addresses: {},
  };
}

const networkOf = (stack: Stack, key: string) => {
  const { name, subnet = "172.18.0.0/16", gateway = "172.18.0.1", ...rest } = stack.networks[key]!;
  const { internal, ipv6, mtu, range, labels } = rest;
  return {
    name,
    key,
    stack: stack.name,
    subnet,
    internal,
    ipv6,
    further: furtherSubnets(rest),
    mtu,
    gateway,
    range,
    reserved: reservedAddresses(rest.reserved),
    labels,
    drift: [],
  };
};

const volumeOf = (stack: Stack, key: string) => {
  const { name, labels } = stack.volumes[key]!;
  return { name, key, stack: stack.name, place: placeOf(stack.volumes[key]!), labels };
};

/** The host as a stack would leave it. */
export function converged(stack: Stack): Actual {
  return {
    ...NOTHING,
    containers: Object.values(stack.services).flatMap((service) =>
      (service.numbers ?? Array.from({ length: service.replicas }, (_, index) => index + 1)).map((number) =>
        running(desiredConfig(stack, service, number, IMAGE), service.name, number),
      ),
    ),
    networks: Object.keys(stack.networks).map((key) => networkOf(stack, key)),
    volumes: Object.keys(stack.volumes).map((key) => volumeOf(stack, key)),
  };
}

/** The host after a plan was carried out; nothing is really done. Throws where a step needs one that comes later. */
export function applied(stack: Stack, actual: Actual, { steps }: Plan): Actual {
  const next = structuredClone(actual);
  const done = new Set<string>();
  const keyOf = (section: "networks" | "volumes", name: string) =>
    Object.keys(stack[section]).find((key) => stack[section][key]!.name === name)!;
  for (const { id, kind, name, service, after, container } of steps) {
    for (const need of after) if (!done.has(need)) throw new Error(`${id} comes before ${need}`);
    done.add(id);
    const [what, verb] = kind.split(".") as [string, string];
    if (what === "network") {
      next.networks = next.networks.filter((network) => network.name !== name);
      if (verb !== "remove") next.networks.push(networkOf(stack, keyOf("networks", name)));
    } else if (what === "volume") {
      next.volumes = next.volumes.filter((volume) => volume.name !== name);
      if (verb !== "remove") next.volumes.push(volumeOf(stack, keyOf("volumes", name)));
    } else if (what === "container") {
      const before = next.containers.find((each) => each.id === container!.id);
      next.containers = next.containers.filter((each) => each !== before);
      const config = container!.config ?? before?.config;
      const number = Number(config?.labels["com.docker.compose.container-number"] ?? before?.number);
      if (verb !== "remove") next.containers.push(running(config!, service!, number));
    }
  }
  return next;
}
