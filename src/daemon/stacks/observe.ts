/** Observes the actual state of a stack, from the records and the kernel. Changes nothing. */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import {
  type ContainerRecord,
  endedBy,
  findContainer,
  Groups,
  type HealthStatus,
  isDockerSocketGone,
  isRunning,
  LABELS,
  type LimitDrift,
  limitDrift,
  runOf,
  volumesOf,
} from "../../container/index.ts";
import type { Roots } from "../../core/roots.ts";
import { type ImageSource, inspectImage, staleReason } from "../../image/index.ts";
import { decodeStatus, isAlive, readProgramState } from "../../linux/index.ts";
import {
  firewallIsIntact,
  forwardingIsIntact,
  guardIsIntact,
  type NetworkRecord,
  withLinks,
} from "../../network/index.ts";
import {
  type Actual,
  type ActualContainer,
  mountedImages,
  placeOf,
  showBytes,
} from "../../reconcile/index.ts";
import type { Stack, StackImage } from "../../stack/index.ts";
import type { StoreReader } from "../../store/index.ts";
import type { VolumeRecord } from "../../volume/index.ts";
import { fullDisks } from "./foresee.ts";
import { takenPorts } from "./taken-ports.ts";

export interface View {
  roots: Roots;
  state: StoreReader;
  /** Known only while bayd runs. */
  health: (id: string) => HealthStatus;
  /** Published ports, by container, that another program uses; known only while bayd runs. */
  lostPorts?: () => { container: string; hostPort: number; protocol: string }[];
}

/**
 * Read-only by type: a plan cannot change anything. What the host lacks for the stack (`missing`, `unmakable`) takes longer to
 * find out, and is not contained: see `lacksOf`.
 */
export function observe(
  view: View,
  name: string,
  stack: Stack | undefined,
  /** IDs of the images to use for some names. */
  pinned: Readonly<Record<string, string>> = {},
): Actual {
  const records = view.state.list<ContainerRecord>("container/");
  const isOwn = ({ config }: ContainerRecord) => config.labels[LABELS.stack] === name;
  const own = records.filter(isOwn);
  const foreign = records.filter((record) => !isOwn(record));
  const networks = view.state.list<NetworkRecord>("network/");
  const links = networks.length > 0 ? withLinks((handle) => handle.list()) : [];
  const byName = new Map(links.map((link) => [link.name, link]));
  const groups = new Groups(view.roots);
  const networkIds = new Map(networks.map(({ config, id }) => [config.name, id]));
  return {
    now: Date.now(),
    containers: own.map((record) => ({
      ...observeContainer(view, record, byName, networkIds, groups),
      lostShares: lostShares(record, records),
    })),
    networks: networks.map(({ config, subnet, gateway, bridge }) => ({
      name: config.name,
      key: config.key,
      stack: config.stack,
      subnet,
      internal: config.internal,
      mtu: config.mtu,
      options: config.options,
      gateway,
      range: config.range,
      ipv6: config.ipv6,
      further: config.further,
      reserved: config.reserved,
      labels: withoutOwn(config.labels),
      drift:
        config.stack !== name
          ? []
          : !byName.has(bridge)
            ? [`the bridge ${bridge} does not exist`]
            : byName.get(bridge)!.isUp
              ? []
              : [`the bridge ${bridge} is down`],
    })),
    volumes: view.state.list<VolumeRecord>("volume/").map(({ config }) => ({
      name: config.name,
      key: config.key,
      stack: config.stack,
      place: placeOf(config),
      labels: withoutOwn(config.labels),
    })),
    images: observeImages(view, stack, pinned),
    containerMounts: stack ? containerMounts(stack, records) : {},
    foreignVolumes: foreign.flatMap(({ config }) => volumesOf(config)),
    foreignNetworkUsers: Object.fromEntries(
      foreign.flatMap(({ config, endpoints }) => endpoints.map(({ network }) => [network, config.name])),
    ),
    withoutDocker: socketBinds(stack),
    takenPorts: stack ? takenPorts(stack, own, foreign) : [],
    unmakable: {},
    missing: {},
    fullDisks: fullDisks(view.roots),
    cpus: cpus().length,
    foreignNames: foreign.map(({ config }) => config.name),
    drift:
      own.some(isRunning) && !rulesAreIntact(view.roots)
        ? ["bay's nftables rules were changed or removed"]
        : [],
  };
}

const rulesAreIntact = ({ tag, run }: Roots) =>
  firewallIsIntact(tag, join(run, "rules")) &&
  guardIsIntact(tag, join(run, "guard")) &&
  forwardingIsIntact(tag, join(run, "foreign"));

/** The mounts of containers that the file names under volumes_from, by name or ID like Docker. */
function containerMounts(
  { services }: Stack,
  records: readonly ContainerRecord[],
): Actual["containerMounts"] {
  const names = Object.values(services).flatMap(({ containerVolumes = [] }) =>
    containerVolumes.map(({ container }) => container),
  );
  return Object.fromEntries(
    [...new Set(names)].flatMap((name) => {
      const record = findContainer(records, name);
      return record ? [[name, record.config.mounts]] : [];
    }),
  );
}

function observeContainer(
  view: View,
  record: ContainerRecord,
  links: ReadonlyMap<string, { master: number | undefined; isUp: boolean }>,
  networkIds: ReadonlyMap<string, string>,
  groups: Groups,
): Omit<ActualContainer, "lostShares"> {
  const { config, state } = record;
  const alive = isRunning(record) && isAlive(state.pid, state.start) && !hasEnded(view, record.id);
  const drift: string[] = [];
  if (alive) {
    for (const { link, network } of record.endpoints) {
      const found = links.get(link);
      if (!found) drift.push(`the link to ${network} does not exist`);
      else if (!found.isUp) drift.push(`the link to ${network} is down`);
    }
    for (const port of view.lostPorts?.() ?? [])
      if (port.container === config.name)
        drift.push(`its port ${port.hostPort}/${port.protocol} is taken by another program`);
    const cgroup = groups.of(record);
    drift.push(...limitDrift(config, cgroup).map(driftText));
  }
  const wasKilled = isRunning(record) && !alive;
  return {
    id: record.id,
    name: config.name,
    service: config.labels[LABELS.service] ?? "",
    number: Number(config.labels[LABELS.number] ?? 0),
    role: record.role,
    oneOff: config.labels[LABELS.oneOff] === "True",
    config,
    status: wasKilled ? "exited" : state.status,
    alive,
    wanted: state.wanted,
    exitCode: wasKilled ? lostExitCode(view, record.id) : state.exitCode,
    endedBy: isRunning(record) ? undefined : endedBy(state),
    health: config.health ? view.health(record.id) : "none",
    drift,
    anonymousVolumes: record.anonymousVolumes,
    boundPorts: state.boundPorts.map(({ hostAddress, hostPort, protocol }) => ({
      hostAddress,
      hostPort,
      protocol,
    })),
    staleNetworks: record.endpoints
      .filter(({ network, networkId }) => networkIds.get(network) !== networkId)
      .map(({ network }) => network),
    addresses: Object.fromEntries(record.endpoints.map(({ network, address }) => [network, address])),
  };
}

function driftText({ key, wanted, actual }: LimitDrift): string {
  const show = (value: number) =>
    (key === "mem_limit" ? showBytes(value) : undefined) ?? (value === 0 ? "without a limit" : String(value));
  return `${key} is ${show(actual)} in the kernel, and should be ${show(wanted)}`;
}

/** Containers that share another's network or memory and still have the namespace of that one's previous run. */
function lostShares({ config, state }: ContainerRecord, all: readonly ContainerRecord[]): string[] {
  if (state.status !== "running") return [];
  const shares = [
    { mode: config.networkMode, part: "network", run: state.joinedRun },
    { mode: config.ipcMode, part: "shared memory", run: state.joinedIpcRun },
  ];
  return shares.flatMap(({ mode, part, run }) => {
    const name = /^container:(.+)$/.exec(mode)?.[1];
    const owner = all.find((other) => other.config.name === name);
    if (name === undefined || (owner && runOf(owner) === run)) return [];
    return [`shares the ${part} of an earlier run of ${name}`];
  });
}

function socketBinds(stack: Stack | undefined): string[] {
  const paths = Object.values(stack?.services ?? {}).flatMap(({ mounts }) =>
    mounts.flatMap((mount) => (mount.type === "bind" ? [mount.source] : [])),
  );
  return [...new Set(paths)].filter(isDockerSocketGone);
}

/** Labels without those that bay sets. */
function withoutOwn(labels: Record<string, string>): Record<string, string> {
  const own = new Set<string>(Object.values(LABELS));
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !own.has(name)));
}

function hasEnded(view: View, id: string): boolean {
  try {
    return (
      readProgramState(readFileSync(join(view.roots.run, "containers", id.slice(0, 16), "program")))
        .status !== undefined
    );
  } catch {
    return true;
  }
}

/**
 * The exit code of a container that ended while bayd did not run: the one that its shim wrote, or the one that bayd will use.
 */
function lostExitCode(view: View, id: string): number {
  try {
    const file = join(view.roots.run, "containers", id.slice(0, 16), "program");
    return decodeStatus(readProgramState(readFileSync(file)).status ?? SIGKILLED).exitCode;
  } catch {
    return 255; // the machine went down
  }
}
const SIGKILLED = 9;

/** Converts an image definition of the stack for the image room. */
export function toImageSource({ source, base, config }: StackImage): ImageSource {
  return { ...source, base, config } as ImageSource;
}

function observeImages(
  view: View,
  stack: Stack | undefined,
  pinned: Readonly<Record<string, string>>,
): Actual["images"] {
  const images: Actual["images"] = {};
  const services = Object.values(stack?.services ?? {});
  for (const image of services.flatMap((service) => [service.image, ...mountedImages(service)])) {
    if (!image || image in images) continue;
    const known = inspectImage(view.state, view.roots.root, image, pinned[image]);
    if (!known) continue;
    const definition = pinned[image] ? undefined : stack?.images[image];
    images[image] = {
      id: known.record.id,
      config: known.config,
      stale: definition ? staleReason(known.record, toImageSource(definition)) : undefined,
      pulledAt: known.record.pulled?.at,
    };
  }
  return images;
}
