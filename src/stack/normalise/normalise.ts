/** A checked file as a Stack: names on the host, references between services, networks and volumes resolved. */
import type { SourcePosition } from "../../core/diagnostics.ts";
import type { ReportAt } from "../check/check.ts";
import { checkReferences, dependenciesOf, serviceContext } from "../check/check-references.ts";
import { shareWith } from "../check/sharing.ts";
import { mostEntries, tooManyEntries } from "../files/entry-limit.ts";
import type { GivenContents } from "../files/given-contents.ts";
import type { Service, Stack } from "../model/stack.ts";
import type { FileInput } from "../schema/schema.ts";
import { usedByNoneBut } from "./disabled-parts.ts";
import { readHosts } from "./hosts.ts";
import { readImage } from "./images.ts";
import { readNetworks, readVolumes } from "./networks-and-volumes.ts";
import { normaliseService, profilesOf } from "./normalise-service.ts";
import { networkOfMode } from "./ports-and-networks.ts";
import { predefinedNetworks } from "./predefined-networks.ts";
import { readGiven } from "./secrets-and-configs.ts";
import type { ServiceContext } from "./service-reader.ts";
import { inheritMounts } from "./volumes-from.ts";

export interface StackOptions {
  name: string;
  directory: string;
  files: string[];
  profiles: readonly string[];
  /** Services that are enabled regardless of their profiles. */
  enable: readonly string[];
  variables: (name: string) => string | undefined;
  /** Files that are read in the process are recorded here. */
  inputs: Set<string>;
  /** Contents that are used instead of those on the disk. */
  contents?: GivenContents | undefined;
  /** The place of a value in the file, for checks that come later. */
  locate: (path: (string | number)[]) => SourcePosition | undefined;
}

/** Problems are reported; the result is used only if there are none. */
export function normaliseStack(input: FileInput, options: StackOptions, reportAny: ReportAt): Stack {
  const context: ServiceContext = {
    directory: options.directory,
    variables: options.variables,
    inputs: options.inputs,
    predefined: predefinedNetworks(input.networks),
    contents: options.contents,
    hosts: readHosts(input, reportAny),
    locate: options.locate,
    report: reportAny,
  };
  const isOff = offServices(input, options);
  const isOnlyOff = usedByNoneBut(input, isOff);
  const report: ReportAt = (path, diagnostic, atKey) => {
    // a service whose profiles are not enabled, and what only such services use, is checked for its shape only
    if (path[0] === "services" && isOff.has(String(path[1]))) return undefined;
    if (isOnlyOff(String(path[0]), String(path[1]))) return undefined;
    return reportAny(path, diagnostic, atKey);
  };
  context.report = report;
  checkCounts(input, report);
  const own = Object.fromEntries(
    Object.entries(input.services ?? {}).map(([name, service]) => [
      name,
      named(options.name, normaliseService(name, service, context)),
    ]),
  );
  const all = inheritMounts(own, input, options.locate);
  const stack: Stack = {
    name: options.name,
    directory: options.directory,
    files: options.files,
    ...(context.hosts === undefined ? {} : { hosts: context.hosts }),
    services: all,
    disabled: [],
    networks: readNetworks(input, options.name, context.hosts !== undefined, report),
    volumes: readVolumes(input, options.name, report, options.directory),
    images: Object.fromEntries(
      Object.entries(input.images ?? {}).map(([name, image]) => [
        name,
        readImage(name, image, options.directory, report),
      ]),
    ),
    secrets: readAllGiven("secret", input.secrets, context),
    configs: readAllGiven("config", input.configs, context),
  };
  for (const service of Object.values(all))
    if (!isOff.has(service.name)) joinNamed(stack, service, input.services?.[service.name]?.network_mode);
  bindPorts(stack);
  checkReferences(stack, input, report);
  stack.services = enabledServices(all, options.profiles, options.enable);
  checkDisabled(stack.services, all, report);
  stack.disabled = Object.keys(all).filter((name) => !stack.services[name]);
  return stack;
}

/** Includes and several files can add up to more than one file may have. */
function checkCounts(input: FileInput, report: ReportAt): void {
  for (const key of ["services", "networks", "volumes", "images", "secrets", "configs"] as const) {
    const count = Object.keys(input[key] ?? {}).length;
    if (count > mostEntries(key))
      report([key], {
        severity: "error",
        code: "BAD_VALUE",
        message: `${key}: ${tooManyEntries(key, count)}`,
      });
  }
}

/**
 * The network that `network_mode: NAME` names: one of the host, as in Docker; if a network of the file has this name on the
 * host, or this key, it is that network.
 */
function joinNamed(stack: Stack, service: Service, mode: string | undefined): void {
  const name = networkOfMode(mode);
  if (name === undefined) return;
  const byName = Object.entries(stack.networks).find(([, network]) => network.name === name)?.[0];
  const key = byName ?? name;
  stack.networks[key] ??= {
    name,
    external: true,
    internal: false,
    subnet: undefined,
    gateway: undefined,
    mtu: undefined,
    labels: {},
  };
  service.networks = { [key]: Object.values(service.networks)[0]! };
}

/** Published ports without an address use the default address of the service's first network. */
function bindPorts({ services, networks }: Stack): void {
  for (const service of Object.values(services)) {
    const [first] = Object.keys(service.networks);
    const address = first === undefined ? undefined : networks[first]?.options?.hostBinding;
    if (address !== undefined)
      service.ports = service.ports.map((port) =>
        port.hostAddress === "" ? { ...port, hostAddress: address } : port,
      );
  }
}

/** A built image without a name gets the name that Compose gives it. */
function named(stack: string, service: Service): Service {
  return service.build && service.image === "" ? { ...service, image: `${stack}-${service.name}` } : service;
}

/** Reports a dependency on a service whose profiles are not enabled. */
function checkDisabled(on: Record<string, Service>, all: Record<string, Service>, report: ReportAt): void {
  for (const service of Object.values(on)) {
    for (const [key, value] of Object.entries(service.build?.contexts ?? {})) {
      const name = serviceContext(value);
      const needed = name === undefined ? undefined : all[name];
      if (name === undefined || !needed || on[name]) continue;
      report(["services", service.name, "build", "additional_contexts", key], {
        severity: "error",
        code: "PROFILE_NOT_ENABLED",
        message: `the build of ${service.name} needs ${name}, whose profiles are not enabled: ${needed.profiles.join(", ")}`,
        hint: `enable one with --profile ${needed.profiles[0]}`,
      });
    }
    for (const name of dependenciesOf(service)) {
      const needed = all[name];
      if (on[name] || !needed || service.dependsOn[name]?.required === false) continue;
      report(["services", service.name, shareWith(service, name)?.key ?? "depends_on"], {
        severity: "error",
        code: "PROFILE_NOT_ENABLED",
        message: `service ${service.name} needs ${name}, whose profiles are not enabled: ${needed.profiles.join(", ")}`,
        hint: `enable one with --profile ${needed.profiles[0]}, or set required: false`,
      });
    }
  }
}

/** Names of the disabled services, known before they are read. */
function offServices(input: FileInput, { profiles, enable }: StackOptions): Set<string> {
  const all = Object.fromEntries(
    Object.entries(input.services ?? {}).map(([name, service]) => [
      name,
      { name, profiles: profilesOf(service) },
    ]),
  );
  const on = enabledServices(all, profiles, enable);
  return new Set(Object.keys(all).filter((name) => !on[name]));
}

/** A service without profiles is always enabled; `*` enables all profiles. */
function enabledServices<Each extends Pick<Service, "name" | "profiles">>(
  all: Record<string, Each>,
  profiles: readonly string[],
  enable: readonly string[],
): Record<string, Each> {
  // as in Compose, naming a service enables its profiles, for its dependencies too
  const active = new Set([...profiles, ...enable.flatMap((name) => all[name]?.profiles ?? [])]);
  const isOn = (service: Each) =>
    service.profiles.length === 0 ||
    active.has("*") ||
    enable.includes(service.name) ||
    service.profiles.some((profile) => active.has(profile));
  return Object.fromEntries(Object.entries(all).filter(([, service]) => isOn(service)));
}

function readAllGiven(
  kind: "secret" | "config",
  inputs: FileInput["configs"] = {},
  context: ServiceContext,
): Stack["configs"] {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, input]) => [name, readGiven(kind, name, input, context)]),
  );
}
