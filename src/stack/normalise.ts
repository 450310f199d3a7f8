/** A checked file as a Stack: names on the host, references between services, networks and volumes resolved. */
import { resolve } from "node:path";
import type { ReportAt } from "./check.ts";
import { toMapping } from "./merge.ts";
import {
  normaliseService,
  readHealthcheck,
  type ServiceContext,
  strings,
  textMap,
  truth,
} from "./normalise-service.ts";
import type { FileInput, ImageInput } from "./schema.ts";
import type { Service, Stack, StackImage, StackNetwork, StackVolume } from "./stack.ts";

export interface StackOptions {
  name: string;
  directory: string;
  files: string[];
  profiles: readonly string[];
  /** Services that are on, whatever their profiles. */
  enable: readonly string[];
  variables: (name: string) => string | undefined;
  /** Files that are read on the way are noted here. */
  inputs: Set<string>;
}

/** Problems are reported; the result is used only where there are none. */
export function normaliseStack(input: FileInput, options: StackOptions, report: ReportAt): Stack {
  const context: ServiceContext = {
    directory: options.directory,
    variables: options.variables,
    inputs: options.inputs,
    report,
  };
  const all = Object.fromEntries(
    Object.entries(input.services ?? {}).map(([name, service]) => [
      name,
      normaliseService(name, service, context),
    ]),
  );
  const stack: Stack = {
    name: options.name,
    directory: options.directory,
    files: options.files,
    services: all,
    disabled: [],
    networks: readNetworks(input, options.name, report),
    volumes: readVolumes(input, options.name),
    images: Object.fromEntries(
      Object.entries(input.images ?? {}).map(([name, image]) => [
        name,
        readImage(name, image, options.directory, report),
      ]),
    ),
  };
  checkReferences(stack, report);
  stack.services = enabledServices(all, options.profiles, options.enable);
  stack.disabled = Object.keys(all).filter((name) => !stack.services[name]);
  return stack;
}

/** A service without profiles is always on; `*` turns all profiles on. */
function enabledServices(
  all: Record<string, Service>,
  profiles: readonly string[],
  enable: readonly string[],
): Record<string, Service> {
  const isOn = (service: Service) =>
    service.profiles.length === 0 ||
    profiles.includes("*") ||
    enable.includes(service.name) ||
    service.profiles.some((profile) => profiles.includes(profile));
  return Object.fromEntries(Object.entries(all).filter(([, service]) => isOn(service)));
}

function readNetworks(input: FileInput, stack: string, report: ReportAt): Record<string, StackNetwork> {
  const declared = Object.entries(input.networks ?? {}).map(([key, network]) => {
    const config = network?.ipam?.config?.[0];
    for (const option of Object.keys(network?.driver_opts ?? {})) {
      if (!["com.docker.network.driver.mtu", "mtu"].includes(option)) {
        report(
          ["networks", key, "driver_opts", option],
          {
            severity: "error",
            code: "UNSUPPORTED_KEY",
            message: `networks.${key}.driver_opts.${option} is not supported; mtu is`,
          },
          true,
        );
      }
    }
    const mtu = network?.driver_opts?.mtu ?? network?.driver_opts?.["com.docker.network.driver.mtu"];
    return [
      key,
      {
        name: network?.name ?? (truth(network?.external as boolean | undefined) ? key : `${stack}_${key}`),
        external: network?.external === true || (network?.external as unknown) === "true",
        internal: truth(network?.internal),
        subnet: config?.subnet,
        gateway: config?.gateway,
        mtu: mtu === undefined || mtu === null ? undefined : Number(mtu),
        labels: textMap(network?.labels),
      } satisfies StackNetwork,
    ] as const;
  });
  const plain: StackNetwork = {
    name: `${stack}_default`,
    external: false,
    internal: false,
    subnet: undefined,
    gateway: undefined,
    mtu: undefined,
    labels: {},
  };
  return { default: plain, ...Object.fromEntries(declared) };
}

function readVolumes(input: FileInput, stack: string): Record<string, StackVolume> {
  return Object.fromEntries(
    Object.entries(input.volumes ?? {}).map(([key, volume]) => {
      const external = truth(volume?.external as boolean | undefined);
      return [
        key,
        {
          name: volume?.name ?? (external ? key : `${stack}_${key}`),
          external,
          labels: textMap(volume?.labels),
        },
      ];
    }),
  );
}

function readImage(name: string, image: ImageInput, directory: string, report: ReportAt): StackImage {
  const kinds = (["host", "rootfs", "archive"] as const).filter((kind) => image[kind] !== undefined);
  if (kinds.length !== 1) {
    report(["images", name], {
      severity: "error",
      code: "BAD_VALUE",
      message: `images.${name}: give exactly one of host, rootfs, archive`,
    });
  }
  const nanoseconds = (milliseconds: number | undefined) =>
    milliseconds === undefined ? undefined : milliseconds * 1e6;
  const given = image.config ?? {};
  const health = given.healthcheck
    ? readHealthcheck(given.healthcheck, (path, message) =>
        report(["images", name, "config", "healthcheck", ...path], {
          severity: "error",
          code: "BAD_VALUE",
          message: `images.${name}.config.healthcheck.${path.join(".")}: ${message}`,
        }),
      )
    : undefined;
  const config: StackImage["config"] = {
    ...(given.entrypoint === undefined ? {} : { Entrypoint: strings(given.entrypoint) }),
    ...(given.command === undefined ? {} : { Cmd: strings(given.command) }),
    ...(given.environment === undefined
      ? {}
      : { Env: Object.entries(toMapping(given.environment)).map(([key, value]) => `${key}=${value ?? ""}`) }),
    ...(given.working_dir === undefined ? {} : { WorkingDir: given.working_dir }),
    ...(given.user === undefined ? {} : { User: String(given.user) }),
    ...(given.expose === undefined
      ? {}
      : {
          ExposedPorts: Object.fromEntries(
            given.expose.map((port) => [/\//.test(String(port)) ? String(port) : `${port}/tcp`, {}]),
          ),
        }),
    ...(given.volumes === undefined
      ? {}
      : { Volumes: Object.fromEntries(given.volumes.map((path) => [path, {}])) }),
    ...(given.labels === undefined ? {} : { Labels: textMap(given.labels) }),
    ...(given.stop_signal === undefined ? {} : { StopSignal: String(given.stop_signal) }),
    ...(health
      ? {
          Healthcheck: {
            Test: health.test,
            Interval: nanoseconds(health.intervalMs),
            Timeout: nanoseconds(health.timeoutMs),
            StartPeriod: nanoseconds(health.startPeriodMs),
            StartInterval: nanoseconds(health.startIntervalMs),
            Retries: health.retries,
          },
        }
      : {}),
  };
  return { source: imageSource(image, directory), base: directory, config };
}

function imageSource(image: ImageInput, directory: string): StackImage["source"] {
  if (image.archive !== undefined) {
    const archive = typeof image.archive === "string" ? { path: image.archive } : image.archive;
    return {
      kind: "archive",
      path: resolve(directory, archive.path),
      reference: "reference" in archive ? archive.reference : undefined,
    };
  }
  if (image.rootfs !== undefined) return { kind: "rootfs", path: resolve(directory, image.rootfs) };
  const host = image.host ?? [];
  if (Array.isArray(host)) return { kind: "host", entries: host, users: [] };
  return {
    kind: "host",
    entries: [...(host.commands ?? []), ...(host.files ?? [])],
    users: host.users ?? [],
  };
}

function checkReferences(stack: Stack, report: ReportAt): void {
  const bad = (path: (string | number)[], message: string, hint?: string) =>
    report(path, { severity: "error", code: "UNKNOWN_REFERENCE", message, ...(hint ? { hint } : {}) });
  const published = new Map<string, string>();
  for (const [name, service] of Object.entries(stack.services)) {
    for (const network of Object.keys(service.networks)) {
      if (!stack.networks[network])
        bad(
          ["services", name, "networks"],
          `service ${name} uses the network ${network}, which is not declared`,
          "declare it under networks:",
        );
    }
    service.mounts.forEach((mount, index) => {
      if (mount.type === "volume" && mount.source !== "" && !stack.volumes[mount.source]) {
        bad(
          ["services", name, "volumes", index],
          `service ${name} uses the volume ${mount.source}, which is not declared`,
          "declare it under volumes:, or write ./ before a path",
        );
      }
    });
    for (const [dependency, { required }] of Object.entries(service.dependsOn)) {
      if (!stack.services[dependency] && required)
        bad(
          ["services", name, "depends_on"],
          `service ${name} depends on ${dependency}, which is not a service`,
        );
    }
    if (service.networkMode.startsWith("service:") && !stack.services[service.networkMode.slice(8)]) {
      bad(
        ["services", name, "network_mode"],
        `service ${name} shares the network of ${service.networkMode.slice(8)}, which is not a service`,
      );
    }
    for (const port of service.ports) {
      if (port.hostPort === undefined) continue;
      const key = `${port.hostAddress}:${port.hostPort}/${port.protocol}`;
      const other = published.get(key);
      const mayShare =
        other === undefined ||
        other === name ||
        service.profiles.length > 0 ||
        stack.services[other]!.profiles.length > 0;
      if (!mayShare)
        bad(
          ["services", name, "ports"],
          `port ${port.hostPort}/${port.protocol} is published by ${other} too`,
        );
      published.set(key, name);
      if (service.replicas > 1)
        bad(
          ["services", name, "ports"],
          `a fixed port allows one container of ${name}, not ${service.replicas}`,
          "leave the published port out, and free ones are chosen",
        );
    }
  }
  reportCycles(stack, bad);
}

function reportCycles(stack: Stack, bad: (path: (string | number)[], message: string) => void): void {
  const done = new Set<string>();
  const visit = (name: string, trail: string[]): void => {
    if (trail.includes(name)) {
      const cycle = [...trail.slice(trail.indexOf(name)), name];
      bad(
        ["services", name, "depends_on"],
        `services depend on each other in a circle: ${cycle.join(" -> ")}`,
      );
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

/** Services that must be there before this one: depends_on, and the owner of a shared network. */
export function dependenciesOf(service: Service): string[] {
  const owner = service.networkMode.startsWith("service:") ? [service.networkMode.slice(8)] : [];
  return [...new Set([...Object.keys(service.dependsOn), ...owner])];
}
