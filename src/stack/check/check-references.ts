/** References between services, networks, volumes and ports: each target must exist, and none may be defined twice. */

import { nearest } from "../../core/diagnostics.ts";
import {
  addressVersion,
  defaultGateway,
  isHostAddress,
  isSubnet,
  overlaps,
  parseSubnet,
  type Subnet,
} from "../../core/ip.ts";
import { type HostPort, portsOverlap } from "../../core/published-ports.ts";
import type { Service, Stack, StackNetwork } from "../model/stack.ts";
import type { PortMapping } from "../normalise/ports.ts";
import { startFirstKeys } from "../normalise/update-policy.ts";
import { readVolumesFrom } from "../normalise/volumes-from.ts";
import type { FileInput } from "../schema/schema.ts";
import type { ReportAt } from "./check.ts";
import { checkHosts } from "./check-hosts.ts";
import { ownersOf, sharesOf } from "./sharing.ts";

/** The hint for an unknown name: the nearest known name, or else another remedy. */
function hintFor(name: string, known: object, otherwise?: string): string | undefined {
  const near = nearest(name, Object.keys(known));
  return near ? `did you mean ${near}?` : otherwise;
}

export function checkReferences(stack: Stack, input: FileInput, report: ReportAt): void {
  const bad = (path: (string | number)[], message: string, hint?: string) =>
    report(path, { severity: "error", code: "UNKNOWN_REFERENCE", message, ...(hint ? { hint } : {}) });
  const published: { port: HostPort & Pick<PortMapping, "mode">; name: string }[] = [];
  const dependents = dependentsOf(stack);
  for (const [name, service] of Object.entries(stack.services)) {
    for (const network of Object.keys(service.networks)) {
      if (!stack.networks[network])
        bad(
          ["services", name, "networks"],
          `service ${name} uses the network ${network}, which is not declared`,
          hintFor(network, stack.networks, "declare it under networks:"),
        );
    }
    service.mounts.forEach((mount, index) => {
      if (mount.type === "volume" && mount.source !== "" && !stack.volumes[mount.source]) {
        bad(
          ["services", name, "volumes", index],
          `service ${name} uses the volume ${mount.source}, which is not declared`,
          hintFor(mount.source, stack.volumes, "declare it under volumes:, or write ./ before a path"),
        );
      }
    });
    for (const [dependency, { required }] of Object.entries(service.dependsOn)) {
      if (!stack.services[dependency] && required)
        bad(
          ["services", name, keyOfDependency(service, input, dependency)],
          `service ${name} depends on ${dependency}, which is not a service`,
          hintFor(dependency, stack.services),
        );
    }
    warnOfLinks(service, stack, report);
    checkConditions(service, stack, bad);
    checkDependents(service, dependents.get(name), bad);
    for (const { owner, key, part } of sharesOf(service))
      if (!stack.services[owner])
        bad(
          ["services", name, key],
          `service ${name} shares the ${part} of ${owner}, which is not a service`,
          hintFor(owner, stack.services),
        );
    checkBuild(service, stack, bad);
    for (const { kind, source } of service.files)
      if (!stack[`${kind}s`][source])
        bad(
          ["services", name, `${kind}s`],
          `service ${name} uses the ${kind} ${source}, which is not declared`,
          hintFor(source, stack[`${kind}s`], `declare it under ${kind}s:`),
        );
    let isToldOfReplicas = false;
    for (const port of service.ports) {
      if (port.hostPort === undefined) continue;
      if (port.hostPortEnd !== undefined) {
        const free = port.hostPortEnd - port.hostPort + 1;
        // on several hosts, each host has the range
        if (service.replicas > free && port.mode === undefined)
          bad(
            ["services", name, "ports"],
            `${service.replicas} containers of ${name} need one port each, but ${port.hostPort}-${port.hostPortEnd} has ${free}`,
          );
        continue;
      }
      const fixed = { ...port, hostPort: port.hostPort };
      const isSame = (other: HostPort) =>
        other.hostAddress === port.hostAddress && portsOverlap(other, fixed);
      const clash = published.find(
        (other) =>
          portsOverlap(other.port, fixed) &&
          // two services may have the same port on different hosts
          !(other.port.mode === "host" && port.mode === "host") &&
          // one service may list the same port twice
          !(other.name === name && isSame(other.port)) &&
          service.profiles.length === 0 &&
          stack.services[other.name]!.profiles.length === 0,
      );
      if (clash)
        bad(
          ["services", name, "ports"],
          `port ${port.hostPort}/${port.protocol} is also published by ${clash.name}${isSame(clash.port) ? "" : `, on ${clash.port.hostAddress || "all addresses"}`}`,
        );
      published.push({ port: fixed, name });
      if (service.replicas > 1 && port.mode === undefined && !isToldOfReplicas) {
        isToldOfReplicas = true;
        bad(
          ["services", name, "ports"],
          `a fixed port allows one container of ${name}, not ${service.replicas}`,
          "publish a range of ports, or omit the published port to get a free one",
        );
      }
    }
  }
  checkAddresses(stack, bad);
  checkNames(stack, bad);
  checkHosts(stack, input, report);
  reportCycles(stack, bad);
}

/** As in Compose, a link sets a name and a start order: it joins no networks. */
function warnOfLinks(
  { name, links, networks, networkMode }: Service,
  { services }: Stack,
  report: ReportAt,
): void {
  if (networkMode !== "bridge") return; // such a service has the hostnames of another container, or of the host
  for (const [index, { service }] of links.entries()) {
    const other = services[service];
    if (other?.networkMode !== "bridge") continue;
    if (Object.keys(other.networks).some((key) => Object.hasOwn(networks, key))) continue;
    report(["services", name, "links", index], {
      severity: "warning",
      code: "NO_EFFECT",
      message: `services.${name}.links: ${name} cannot reach ${service}, because they share no network`,
      hint: "add both services to one network",
    });
  }
}

/** The place in the file at which a service names another one that it depends on. */
function keyOfDependency({ name, links }: Service, input: FileInput, needed: string): string {
  if (links.some(({ service }) => service === needed)) return "links";
  const sources = readVolumesFrom(input.services?.[name]?.volumes_from);
  return sources.some(({ service }) => service === needed) ? "volumes_from" : "depends_on";
}

/** A service without a health check cannot become healthy. */
function checkConditions({ name, dependsOn }: Service, stack: Stack, bad: Bad): void {
  for (const [other, { condition }] of Object.entries(dependsOn)) {
    const check = stack.services[other]?.healthcheck;
    if (condition === "service_healthy" && check?.test?.[0] === "NONE")
      bad(
        ["services", name, "depends_on", other, "condition"],
        `service ${other} cannot become healthy, as its health check is off`,
        "use condition: service_started, or do not disable the health check",
      );
  }
}

/** The first service that shares a namespace of each other service. */
function dependentsOf(stack: Stack): Map<string, Service> {
  const dependents = new Map<string, Service>();
  for (const service of Object.values(stack.services))
    for (const owner of ownersOf(service)) if (!dependents.has(owner)) dependents.set(owner, service);
  return dependents;
}

/** start-first would run two containers, but a dependent shares the namespace of exactly one. */
function checkDependents(service: Service, dependent: Service | undefined, bad: Bad): void {
  if (!dependent) return;
  for (const key of startFirstKeys(service))
    bad(
      ["services", service.name, "deploy", key, "order"],
      `start-first runs the old and the new container at the same time, but ${dependent.name} shares a namespace of one container`,
      "use stop-first",
    );
}

type Bad = (path: (string | number)[], message: string, hint?: string) => void;

/** Fixed addresses: each inside its subnet and used by only one container; and subnets that do not overlap. */
function checkAddresses(stack: Stack, bad: Bad): void {
  const subnets = Object.entries(stack.networks).flatMap(([key, network]) => ownSubnets(key, network));
  for (const [index, { key, subnet }] of subnets.entries()) {
    const other = subnets.slice(0, index).find((before) => overlaps(before.subnet, subnet));
    if (!other) continue;
    const whose =
      other.key === key
        ? `two subnets of the network ${key}`
        : `the subnets of the networks ${other.key} and ${key}`;
    bad(["networks", key, "ipam"], `${whose} overlap`);
  }
  const taken = new Map<string, string>();
  for (const [name, service] of Object.entries(stack.services))
    for (const [key, { ipv4, ipv6, mac }] of Object.entries(service.networks)) {
      if (mac !== undefined && service.replicas > 1)
        bad(
          ["services", name, "networks", key, "mac_address"],
          `a fixed MAC address allows one container, not ${service.replicas}`,
        );
      const own = subnets.filter((candidate) => candidate.key === key);
      for (const [address, field] of [
        [ipv4, "ipv4_address"],
        [ipv6, "ipv6_address"],
      ] as const) {
        if (address === undefined || addressVersion(address) !== (field === "ipv4_address" ? 4 : 6)) continue;
        const place = ["services", name, "networks", key, field];
        checkAddress(address, stack.networks[key], key, own, (message, hint) => bad(place, message, hint));
        const owner = taken.get(`${key} ${address}`);
        if (service.replicas > 1) bad(place, `a fixed address allows one container, not ${service.replicas}`);
        if (owner !== undefined && service.profiles.length === 0)
          bad(place, `${address} is also assigned to ${owner}`);
        taken.set(`${key} ${address}`, name);
      }
    }
}

interface OwnSubnet {
  key: string;
  subnet: Subnet;
  text: string;
  gateway: string;
}

const ownSubnets = (key: string, network: StackNetwork): OwnSubnet[] =>
  [network, ...(network.further ?? [])].flatMap(({ subnet: text, gateway }) => {
    if (!text || !isSubnet(text)) return [];
    const subnet = parseSubnet(text);
    return [{ key, subnet, text, gateway: gateway ?? defaultGateway(subnet) }];
  });

/** Checks that a fixed address is inside the subnet of its network. */
function checkAddress(
  address: string,
  network: StackNetwork | undefined,
  key: string,
  subnets: readonly OwnSubnet[],
  bad: (message: string, hint?: string) => void,
): void {
  if (!network || network.external) return;
  const version = addressVersion(address)!;
  const alike = subnets.filter(({ subnet }) => subnet.version === version);
  const all = alike.map(({ text }) => text).join(" and ");
  if (version === 6 && !network.ipv6) bad(`the network ${key} has no IPv6`, "set enable_ipv6: true");
  else if (alike.length === 0)
    bad(`the network ${key} has no ${version === 6 ? "IPv6 " : ""}subnet in the file`, "set one under ipam:");
  else if (!alike.some(({ subnet }) => isHostAddress(subnet, address)))
    bad(`${address} is not a valid container address in ${all}`);
  else if (alike.some(({ gateway }) => gateway === address))
    bad(`${address} is the gateway of the network ${key}`);
}

function checkNames(stack: Stack, bad: Bad): void {
  const names = new Map<string, string>();
  for (const [name, { containerName, profiles }] of Object.entries(stack.services)) {
    if (containerName === undefined) continue;
    const other = names.get(containerName);
    if (other !== undefined && profiles.length === 0)
      bad(["services", name, "container_name"], `${containerName} is also the container name of ${other}`);
    names.set(containerName, name);
  }
}

function reportCycles(stack: Stack, bad: (path: (string | number)[], message: string) => void): void {
  const done = new Set<string>();
  const visit = (name: string, trail: string[]): void => {
    if (trail.includes(name)) {
      const cycle = [...trail.slice(trail.indexOf(name)), name];
      bad(["services", name, "depends_on"], `circular dependency between services: ${cycle.join(" -> ")}`);
      for (const member of cycle) done.add(member);
      return;
    }
    if (done.has(name)) return;
    const service = stack.services[name];
    for (const next of service ? dependenciesOf(service) : []) visit(next, [...trail, name]);
    done.add(name);
  };
  for (const name of Object.keys(stack.services)) visit(name, []);
}

/** Dependencies of a service: depends_on, and the services whose namespaces it shares. */
export function dependenciesOf(service: Service): string[] {
  return [...new Set([...Object.keys(service.dependsOn), ...ownersOf(service)])];
}

/** Services and secrets that a build refers to. */
function checkBuild(
  { name, build }: Service,
  stack: Stack,
  bad: (path: (string | number)[], message: string, hint?: string) => void,
): void {
  if (!build) return;
  for (const [key, value] of Object.entries(build.contexts)) {
    const other = serviceContext(value);
    if (other === undefined) continue;
    const path = ["services", name, "build", "additional_contexts", key];
    if (!stack.services[other]) bad(path, `the build of ${name} depends on ${other}, which is not a service`);
    else if (buildsNeeding(stack, other).has(name))
      bad(
        path,
        other === name
          ? `the build of ${name} depends on itself`
          : `circular dependency between the builds of ${name} and ${other}`,
      );
  }
  for (const source of Object.values(build.secrets))
    if (!stack.secrets[source])
      bad(
        ["services", name, "build", "secrets"],
        `the build of ${name} uses the secret ${source}, which is not declared`,
        "declare it under secrets:",
      );
}

/** The service that a build context `service:NAME` refers to. */
export const serviceContext = (value: string): string | undefined =>
  value.startsWith("service:") ? value.slice("service:".length) : undefined;

/** The services whose images a service's build needs, directly or indirectly. */
export function buildsNeeding(stack: Pick<Stack, "services">, service: string): Set<string> {
  const needed = new Set<string>();
  const visit = (name: string) => {
    for (const value of Object.values(stack.services[name]?.build?.contexts ?? {})) {
      const other = serviceContext(value);
      if (other === undefined || needed.has(other)) continue;
      needed.add(other);
      visit(other);
    }
  };
  visit(service);
  return needed;
}
