/** The rules that a host must meet to run a container. Each returns why it does not, as text for people. */
import { nearest } from "../core/diagnostics.ts";
import { plainArchitecture, plainPlatform } from "../core/platforms.ts";
import { formatSize } from "../core/sizes.ts";
import type { Service } from "../stack/index.ts";
import { constraintText, meets } from "./constraints.ts";
import type { Demand } from "./demands.ts";
import { type Ledger, ownPorts, reservationOf } from "./ledger.ts";
import type { PlacementHost } from "./model.ts";

/** What the service itself says about hosts; this does not depend on other containers. */
export function staticProblems({ placement }: Service, host: PlacementHost): string[] {
  if (!placement) return [];
  const own = `${host.platform.os}/${plainArchitecture(host.platform.architecture)}`;
  return [
    ...(placement.hosts && !placement.hosts.includes(host.name)
      ? [`the service names ${placement.hosts.join(", ")}`]
      : []),
    ...(placement.platform !== undefined && !isPlatform(placement.platform, own)
      ? [`its platform is ${own}, not ${placement.platform}`]
      : []),
    ...placement.constraints
      .filter((constraint) => !meets(host, constraint))
      .map((constraint) => `does not meet ${constraintText(constraint)}`),
  ];
}

/** `linux` alone means any architecture. */
const isPlatform = (asked: string, own: string) =>
  asked.toLowerCase() === own.split("/")[0] || plainPlatform(asked) === own;

export function stateProblems({ state }: PlacementHost): string[] {
  return state === "ready" ? [] : [state === "drained" ? "is drained" : "cannot be reached"];
}

/** A host that the service names and that does not exist; the file is checked, but `all` stands for any name. */
export function unknownHosts({ placement }: Service, hosts: readonly PlacementHost[]): string[] {
  const names = hosts.map(({ name }) => name);
  return (placement?.hosts ?? [])
    .filter((name) => !names.includes(name))
    .map((name) => {
      const near = nearest(name, names);
      return `the host ${name} does not exist${near === undefined ? "" : `; did you mean ${near}?`}`;
    });
}

/** Limits that the containers placed so far have used up. */
export function roomProblems(service: Service, host: PlacementHost, ledger: Ledger): string[] {
  const most = service.placement?.maxPerHost;
  const count = ledger.ofService(service.name, host.name);
  const taken = ledger.portOwner(ownPorts(service), host.name);
  return [
    ...(most !== undefined && count >= most
      ? [`has ${count} of at most ${most} containers of ${service.name}`]
      : []),
    ...rangeProblems(service, count),
    ...(taken ? [`port ${taken.port.hostPort}/${taken.port.protocol} is taken by ${taken.service}`] : []),
    ...capacityProblems(reservationOf(service), host, ledger),
  ];
}

/** Each container takes one port of a range of its own host. */
function rangeProblems({ ports }: Service, count: number): string[] {
  return ports.flatMap(({ hostPort, hostPortEnd }) =>
    hostPort !== undefined && hostPortEnd !== undefined && count > hostPortEnd - hostPort
      ? [`all ports of ${hostPort}-${hostPortEnd} are taken`]
      : [],
  );
}

function capacityProblems(
  needed: { nanoCpus: number; memory: number },
  { name, capacity }: PlacementHost,
  ledger: Ledger,
): string[] {
  const reserved = ledger.reserved(name);
  const cpus = capacity.nanoCpus - reserved.nanoCpus;
  const memory = capacity.memory - reserved.memory;
  return [
    ...(needed.nanoCpus > 0 && needed.nanoCpus > cpus
      ? [`not enough CPUs: ${showCpus(needed.nanoCpus)} reserved, ${showCpus(cpus)} free`]
      : []),
    ...(needed.memory > 0 && needed.memory > memory
      ? [`not enough memory: ${formatSize(needed.memory)} reserved, ${formatSize(Math.max(0, memory))} free`]
      : []),
  ];
}

const showCpus = (nanos: number) => String(Number((Math.max(0, nanos) / 1e9).toFixed(3)));

/** Partners must have a container on the host. */
export function partnerProblems({ partners }: Demand, host: string, ledger: Ledger): string[] {
  return partners
    .filter((partner) => ledger.ofService(partner, host) === 0)
    .map((partner) => `has no container of ${partner}`);
}

/** A volume that exists stays on its hosts; an external one must exist. */
export function volumeProblems({ count, volumes }: Demand, host: string, ledger: Ledger): string[] {
  return volumes.flatMap(({ name, isExternal }) => {
    const hosts = ledger.volumeHosts(name);
    if (hosts.includes(host)) return [];
    if (isExternal && hosts.length === 0) return [`the external volume ${name} does not exist`];
    if (count === undefined && !isExternal) return [];
    return hosts.length > 0 ? [`the volume ${name} is on ${hostList(hosts)}`] : [];
  });
}

const hostList = (hosts: readonly string[]) =>
  `host ${hosts.slice(0, 3).join(", ")}${hosts.length > 3 ? ` and ${hosts.length - 3} others` : ""}`;

/** Whether the host has room for a service together with the services that must be there too, at their first containers. */
export function suits(
  { service, count = 1, volumes }: Demand,
  companions: readonly Demand[],
  host: PlacementHost,
  ledger: Ledger,
): boolean {
  const needed = { nanoCpus: 0, memory: 0 };
  const add = (other: Service, times: number) => {
    const { nanoCpus, memory } = reservationOf(other);
    needed.nanoCpus += times * nanoCpus;
    needed.memory += times * memory;
  };
  add(service, volumes.length > 0 ? count : 1);
  for (const other of companions) {
    if (other.count === undefined || other.count === 0) continue;
    if (staticProblems(other.service, host).length > 0) return false;
    const isTogether = other.volumes.some(({ name }) => volumes.some((own) => own.name === name));
    add(other.service, isTogether ? other.count : Math.ceil(other.count / Math.max(1, count)));
  }
  return capacityProblems(needed, host, ledger).length === 0;
}
