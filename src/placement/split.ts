/** The part of a stack for each host: what its bayd gets as its whole desired state. */
import { buildsNeeding, type IngressPort, type Service, type Stack } from "../stack/index.ts";
import type { PlacedContainer } from "./model.ts";

export interface HostPart {
  host: string;
  /** A stack of one host. Its services have the numbers of their containers here; those of other hosts have none. */
  stack: Stack;
}

/** The parts of the named hosts, in the order of their names. A host without containers has a part, too. */
export function splitStack(
  stack: Stack,
  hosts: readonly string[],
  placed: readonly PlacedContainer[],
): HostPart[] {
  const ingress = ingressOf(stack, placed);
  return [...new Set(hosts)].sort().map((host) => ({
    host,
    stack: partOf(
      stack,
      placed.filter((container) => container.host === host),
      ingress,
    ),
  }));
}

/** Ports of services that have a container on any host. */
function ingressOf({ services, networks }: Stack, placed: readonly PlacedContainer[]): IngressPort[] {
  const running = new Set(placed.map(({ service }) => service));
  return Object.values(services)
    .filter(({ name }) => running.has(name))
    .flatMap(({ name, ports, networks: own }) => {
      const overlays = Object.keys(own).filter((key) => networks[key]?.overlay);
      return ports.filter(isIngress).map(({ hostAddress, hostPort, containerPort, protocol }) => ({
        service: name,
        hostAddress,
        hostPort: hostPort!,
        containerPort,
        protocol,
        networks: overlays,
      }));
    });
}

type Port = Service["ports"][number];

/** A port that is chosen on each host cannot be the same on all. */
const isIngress = ({ mode, hostPort, hostPortEnd }: Port) =>
  mode === "ingress" && hostPort !== undefined && hostPortEnd === undefined;

function partOf(stack: Stack, placed: readonly PlacedContainer[], ingress: readonly IngressPort[]): Stack {
  const numbers = new Map<string, number[]>();
  for (const { service, number } of placed) numbers.set(service, [...(numbers.get(service) ?? []), number]);
  const here = Object.values(stack.services).filter(({ name }) => numbers.has(name));
  const built = new Set(here.flatMap(({ name }) => [...buildsNeeding(stack, name)]));
  const { hosts: _, ...rest } = stack;
  return {
    ...rest,
    services: mapped(stack.services, (service) => {
      const own = numbers.get(service.name);
      return own ? serviceHere(service, own) : serviceElsewhere(service, built.has(service.name));
    }),
    networks: chosen(
      stack.networks,
      new Set([...networksOf(here), ...ingress.flatMap(({ networks }) => networks)]),
    ),
    volumes: chosen(stack.volumes, volumesOf(here)),
    images: imagesOf(stack, here, built),
    secrets: chosen(stack.secrets, givenTo(stack, here, built, "secret")),
    configs: chosen(stack.configs, givenTo(stack, here, built, "config")),
    ...(ingress.length > 0 ? { ingress: [...ingress] } : {}),
  };
}

function serviceHere({ placement: _, ...service }: Service, numbers: readonly number[]): Service {
  return {
    ...service,
    numbers: [...numbers].sort((a, b) => a - b),
    replicas: numbers.length,
    ports: service.ports.filter((port) => !isIngress(port)),
  };
}

/** A host gets no settings of services that it does not run: they may be confidential. */
function serviceElsewhere({ placement: _, build, ...service }: Service, isBuiltHere: boolean): Service {
  const { options: __, ...log } = service.log;
  return {
    ...service,
    numbers: [],
    replicas: 0,
    // another service's image may be based on this one
    build: isBuiltHere ? build : undefined,
    command: undefined,
    entrypoint: undefined,
    environment: {},
    healthcheck: undefined,
    hooks: { postStart: [], preStop: [] },
    labels: {},
    annotations: {},
    files: [],
    mounts: [],
    networks: {},
    ports: [],
    log,
  };
}

const networksOf = (services: readonly Service[]) =>
  new Set(services.flatMap(({ networks }) => Object.keys(networks)));

const volumesOf = (services: readonly Service[]) =>
  new Set(
    services.flatMap(({ mounts }) => mounts.flatMap((each) => (each.type === "volume" ? [each.source] : []))),
  );

/** Definitions of images that services run or mount; all if one is built here, because any may be its base. */
function imagesOf({ images }: Stack, here: readonly Service[], built: ReadonlySet<string>): Stack["images"] {
  if (built.size > 0 || here.some(({ build }) => build)) return images;
  const names = here.flatMap(({ image, mounts }) => [
    image,
    ...mounts.flatMap((mount) => (mount.type === "image" ? [mount.source] : [])),
  ]);
  return chosen(images, new Set(names));
}

/** Secrets and configs of containers here, and secrets of builds here. */
function givenTo(
  { services }: Stack,
  here: readonly Service[],
  built: ReadonlySet<string>,
  kind: "secret" | "config",
): Set<string> {
  const own = here.flatMap(({ files }) =>
    files.filter((file) => file.kind === kind).map(({ source }) => source),
  );
  const builders = [...here, ...[...built].map((name) => services[name]!)];
  const ofBuilds = builders.flatMap(({ build }) =>
    build && kind === "secret" ? Object.values(build.secrets) : [],
  );
  return new Set([...own, ...ofBuilds]);
}

function chosen<T>(all: Readonly<Record<string, T>>, names: ReadonlySet<string>): Record<string, T> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => names.has(name)));
}

function mapped<T>(all: Readonly<Record<string, T>>, change: (value: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [name, change(value)]));
}
