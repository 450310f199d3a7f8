/** From a service and its image to the config of one container. The image's values apply where the file has none. */
import { type ContainerConfig, type HealthConfig, LABELS } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";
import type { ImageConfig } from "../../image/index.ts";
import type { Healthcheck, Service, Stack } from "../../stack/index.ts";
import { placeOf } from "../plan/volumes.ts";
import { firstNumber } from "./numbers.ts";

export const containerName = (stack: Stack, service: Service, number: number) =>
  service.containerName ?? `${stack.name}-${service.name}-${number}`;

/** Throws NO_COMMAND if neither the file nor the image has a command. */
export function desiredConfig(
  stack: Stack,
  service: Service,
  number: number,
  image: { id: string; config: ImageConfig },
  /** The images that it mounts, by name. */
  mounted: Readonly<Record<string, { id: string }>> = {},
  /** The mounts of the containers under volumes_from, by the names in the file. */
  others: Readonly<Record<string, ContainerConfig["mounts"]>> = {},
): ContainerConfig {
  const own = image.config.config ?? {};
  const entrypoint = service.entrypoint ?? own.Entrypoint ?? [];
  // an entrypoint in the file clears the image's command, as in Compose
  const command = service.command ?? (service.entrypoint === undefined ? (own.Cmd ?? []) : []);
  const args = [...entrypoint, ...command];
  if (args.length === 0) {
    throw new BayError(
      "NO_COMMAND",
      `service ${service.name}: neither the file nor the image ${service.image} has a command`,
      { hint: "set the command of the service" },
    );
  }
  const name = containerName(stack, service, number);
  return {
    name,
    image: service.image,
    imageId: image.id,
    args,
    env: mergeEnvironment(own.Env ?? [], service.environment),
    workdir: service.workdir ?? own.WorkingDir ?? "",
    user: service.user ?? own.User ?? "",
    groups: service.groups,
    hostname: service.hostname ?? "",
    domainname: service.domainname,
    mounts: desiredMounts(stack, service, Object.keys(own.Volumes ?? {}), mounted, others),
    ...desiredVolumesFrom(stack, service),
    ...desiredFiles(stack, service),
    ...desiredLinks(service),
    ports: service.ports.map(({ hostAddress, hostPort, hostPortEnd, containerPort, protocol }) => ({
      hostAddress,
      hostPort,
      ...(hostPortEnd === undefined ? {} : { hostPortEnd }),
      containerPort,
      protocol,
    })),
    exposed: [
      ...new Set([
        ...service.expose.map((port) => (port.includes("/") ? port : `${port}/tcp`)),
        ...Object.keys(own.ExposedPorts ?? {}),
      ]),
    ],
    networkMode: sharedMode(stack, service.networkMode),
    networks: Object.entries(service.networks).map(([key, { aliases, rate: _, ...rest }]) => ({
      ...rest,
      network: stack.networks[key]!.name,
      aliases: [...new Set([service.name, ...aliases])],
    })),
    dns: service.dns,
    dnsSearch: service.dnsSearch,
    dnsOptions: service.dnsOptions,
    extraHosts: service.extraHosts,
    health: desiredHealth(service.healthcheck, own.Healthcheck ?? undefined),
    restart: service.restart,
    stopSignal: service.stopSignal ?? own.StopSignal ?? "SIGTERM",
    stopGraceMs: service.stopGraceMs,
    init: service.init,
    readOnly: service.readOnly,
    capAdd: service.capAdd,
    capDrop: service.capDrop,
    privileged: service.privileged,
    noNewPrivileges: service.noNewPrivileges,
    seccomp: service.seccomp,
    ...(service.apparmor === undefined ? {} : { apparmor: service.apparmor }),
    devices: service.devices,
    ulimits: service.ulimits,
    sysctls: service.sysctls,
    shmSize: service.shmSize,
    ...desiredKernel(service.kernel),
    ...desiredHooks(service.hooks),
    pidMode: sharedMode(stack, service.pidMode),
    ipcMode: sharedMode(stack, service.ipcMode),
    oomScoreAdj: service.oomScoreAdj,
    labels: desiredLabels(stack, service, number, own.Labels ?? {}),
    annotations: service.annotations,
    resources: service.resources,
    tty: service.tty,
    stdinOpen: service.stdinOpen,
    stdinOnce: false,
    log: service.log,
  };
}

function desiredHooks({ postStart, preStop }: Service["hooks"]): Pick<ContainerConfig, "hooks"> {
  if (postStart.length + preStop.length === 0) return {};
  const all = (hooks: Service["hooks"]["preStop"]) =>
    hooks.map(({ command, environment, ...rest }) => ({
      ...rest,
      args: command,
      env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    }));
  return { hooks: { postStart: all(postStart), preStop: all(preStop) } };
}

/** Defaults are omitted, so that containers of earlier versions do not differ. */
function desiredKernel(options: Service["kernel"]): Pick<ContainerConfig, "kernel"> {
  const { utsMode, cgroupMode, cgroupParent, deviceRules, swappiness, oomKillDisable, procView, blockIo } =
    options;
  const kernel = {
    ...(utsMode === "host" ? { utsMode } : {}),
    ...(cgroupMode === "host" ? { cgroupMode } : {}),
    ...(cgroupParent === undefined ? {} : { cgroupParent }),
    ...(deviceRules.length > 0 ? { deviceRules } : {}),
    ...(swappiness === undefined ? {} : { swappiness }),
    ...(oomKillDisable ? { oomKillDisable } : {}),
    ...(procView ? { procView } : {}),
    ...(blockIo ? { blockIo } : {}),
  };
  return Object.keys(kernel).length > 0 ? { kernel } : {};
}

/** The first container of each service on this host. */
function desiredVolumesFrom(
  stack: Stack,
  { volumesFrom = [] }: Service,
): Pick<ContainerConfig, "volumesFrom"> {
  const all = volumesFrom.flatMap(({ service, isReadOnly }) => {
    const owner = stack.services[service];
    return owner
      ? [{ container: containerName(stack, owner, firstNumber(owner)), readOnly: isReadOnly }]
      : [];
  });
  return all.length > 0 ? { volumesFrom: all } : {};
}

/** Secrets and configs; omitted for a container without them. */
function desiredFiles(stack: Stack, { files }: Service): Pick<ContainerConfig, "files"> {
  if (files.length === 0) return {};
  return {
    files: files.map(({ kind, source, target, uid, gid, mode }) => ({
      kind,
      name: source,
      target,
      digest: stack[`${kind}s`][source]!.digest,
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      mode,
    })),
  };
}

/** Names that only this container knows for others: of services by `links`, of containers by `external_links`. */
function desiredLinks({ links, externalLinks }: Service): Pick<ContainerConfig, "externalLinks"> {
  const named = links.filter(({ service, name }) => name !== service);
  const all = { ...Object.fromEntries(named.map(({ service, name }) => [name, service])), ...externalLinks };
  return Object.keys(all).length > 0 ? { externalLinks: all } : {};
}

/** `service:NAME` means the first container of that service on this host. */
function sharedMode<M extends string>(
  stack: Stack,
  mode: M,
): Exclude<M, `service:${string}`> | `container:${string}` {
  if (!mode.startsWith("service:")) return mode as Exclude<M, `service:${string}`>;
  const owner = stack.services[mode.slice("service:".length)]!;
  return `container:${containerName(stack, owner, firstNumber(owner))}`;
}

function mergeEnvironment(base: readonly string[], own: Record<string, string>): string[] {
  const merged = new Map(base.map((entry) => [entry.split("=", 1)[0]!, entry]));
  for (const [key, value] of Object.entries(own)) merged.set(key, `${key}=${value}`);
  return [...merged.values()];
}

function desiredMounts(
  stack: Stack,
  service: Service,
  imageVolumes: readonly string[],
  images: Readonly<Record<string, { id: string }>>,
  others: Readonly<Record<string, ContainerConfig["mounts"]>>,
): ContainerConfig["mounts"] {
  const mounts = service.mounts.map((mount): ContainerConfig["mounts"][number] => {
    if (mount.type === "image") return { ...mount, imageId: images[mount.source]?.id ?? "" };
    if (mount.type !== "volume" || mount.source === "") return mount;
    return { ...mount, source: stack.volumes[mount.source]!.name, ...deviceOf(stack, mount.source) };
  });
  for (const { container, isReadOnly, covered = [] } of service.containerVolumes ?? [])
    for (const mount of others[container] ?? []) {
      if (mount.type === "tmpfs" || covered.includes(mount.target)) continue;
      if (mounts.some(({ target }) => target === mount.target)) continue;
      mounts.push(borrowed(mount, isReadOnly));
    }
  for (const target of imageVolumes) {
    if (mounts.some((mount) => mount.target === target)) continue;
    const mark = service.volumesFrom ? { isOfImage: true as const } : {};
    mounts.push({ type: "volume", source: "", target, readOnly: false, noCopy: false, ...mark });
  }
  return mounts;
}

/** A mount of another container. Its volume is not filled from the image again. */
function borrowed(
  mount: Exclude<ContainerConfig["mounts"][number], { type: "tmpfs" }>,
  isReadOnly: boolean,
): ContainerConfig["mounts"][number] {
  if (mount.type === "image") return mount;
  const readOnly = isReadOnly || mount.readOnly;
  if (mount.type === "bind") return { ...mount, readOnly };
  const { from: _, isOfImage: __, ...volume } = mount;
  return { ...volume, readOnly, noCopy: true };
}

/** The images that a service mounts. */
export const mountedImages = ({ mounts }: Service): string[] => [
  ...new Set(mounts.flatMap((mount) => (mount.type === "image" ? [mount.source] : []))),
];

/** The source of a volume that bay does not keep itself: a directory, or `TYPE DEVICE (OPTIONS)`. */
function deviceOf(stack: Stack, volume: string): { device?: string } {
  const place = placeOf(stack.volumes[volume]!);
  return place === undefined ? {} : { device: place };
}

type ImageHealth = NonNullable<NonNullable<ImageConfig["config"]>["Healthcheck"]>;

/** Docker's defaults: every 30 s, 30 s long, 3 times, no start period, 5 s between probes in it. */
function desiredHealth(
  own: Healthcheck | undefined,
  image: ImageHealth | undefined,
): HealthConfig | undefined {
  const test = own?.test ?? image?.Test ?? undefined;
  if (!test || test.length === 0 || test[0] === "NONE") return undefined;
  const milliseconds = (nanoseconds: number | undefined) => (nanoseconds ? nanoseconds / 1e6 : undefined);
  return {
    test,
    intervalMs: own?.intervalMs ?? milliseconds(image?.Interval) ?? 30_000,
    timeoutMs: own?.timeoutMs ?? milliseconds(image?.Timeout) ?? 30_000,
    startPeriodMs: own?.startPeriodMs ?? milliseconds(image?.StartPeriod) ?? 0,
    startIntervalMs: own?.startIntervalMs ?? milliseconds(image?.StartInterval) ?? 5_000,
    retries: own?.retries ?? image?.Retries ?? 3,
  };
}

/** Labels by which Compose's own tools, Traefik, Portainer and lazydocker recognise the container. */
function desiredLabels(
  stack: Stack,
  service: Service,
  number: number,
  image: Record<string, string>,
): Record<string, string> {
  return {
    ...image,
    ...service.labels,
    [LABELS.stack]: stack.name,
    [LABELS.service]: service.name,
    [LABELS.number]: String(number),
    [LABELS.oneOff]: "False",
    [LABELS.workingDirectory]: stack.directory,
    [LABELS.configFiles]: stack.files.join(","),
    // docker compose finds only containers that have this label; bay compares fields, so a constant value is enough
    [LABELS.configHash]: "bay",
    [LABELS.dependsOn]: Object.entries(service.dependsOn)
      .map(([name, { condition, restart }]) => `${name}:${condition}:${restart}`)
      .join(","),
  };
}
