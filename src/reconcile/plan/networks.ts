/** The networks of a plan. Pure. */

import type { BridgeOptions } from "../../core/bridge-options.ts";
import { BayError } from "../../core/errors.ts";
import type { SubnetConfig } from "../../network/index.ts";
import type { Service, StackNetwork } from "../../stack/index.ts";
import type { Actual, ActualContainer, ActualNetwork } from "../model/actual.ts";
import { changeOf, type Reason, say } from "../model/step.ts";
import type { Draft } from "./draft.ts";
import { labelChanges } from "./label-changes.ts";

/** Plans the networks. Networks that do not exist, or cannot be changed, are refusals. */
export function planNetworks(
  { stack, actual, add, refusals }: Draft,
  services: readonly Service[],
  /** Services whose containers are removed. */
  leaving: ReadonlySet<string>,
): { steps: string[]; replaced: Map<string, Reason[]> } {
  const replaced = new Map<string, Reason[]>();
  const ingress = (stack.ingress ?? []).flatMap(({ networks }) => networks);
  const used = new Set([...services.flatMap(({ networks }) => Object.keys(networks)), ...ingress]);
  const planNetwork = (key: string): string[] => {
    const wanted = stack.networks[key]!;
    const { name } = wanted;
    const known = actual.networks.find((network) => network.name === name);
    if (wanted.external) {
      if (!known) throw new BayError("NETWORK_NOT_FOUND", `the external network ${name} does not exist`);
      return [];
    }
    if (!known)
      return [add({ kind: "network.create", name, reasons: wanted.subnet ? [say(wanted.subnet)] : [] })];
    const changes = networkChanges(key, known, wanted);
    if (changes.length > 0) {
      checkOtherUsers(name, actual, new Set([...services.map((service) => service.name), ...leaving]));
      replaced.set(name, changes);
      const users = actual.containers
        .filter(({ config }) => config.networks.some(({ network }) => network === name))
        .map((container) => container.name);
      return [add({ kind: "network.replace", name, reasons: changes, users })];
    }
    const labels = labelChanges(`networks.${key}`, known.labels, wanted.labels);
    const own = labels.length > 0 ? [add({ kind: "network.update", name, reasons: labels })] : [];
    if (known.drift.length === 0) return own;
    const drift = known.drift.map((text) => say(text, true));
    return [...own, add({ kind: "network.repair", name, reasons: drift })];
  };
  const steps = [...used].flatMap((key) => refusals.attempt(() => planNetwork(key), []));
  return { steps, replaced };
}

/** Differences that need a new network. A subnet that bay chose is kept if the file names none. */
function networkChanges(key: string, known: ActualNetwork, wanted: StackNetwork): Reason[] {
  const fields: [string, unknown, unknown][] = [
    ["internal", known.internal, wanted.internal],
    ["driver_opts.mtu", known.mtu, wanted.mtu],
    ["driver_opts", showOptions(known.options), showOptions(wanted.options)],
    ["enable_ipv6", known.ipv6 || undefined, wanted.ipv6],
    ["ipam.config", showSubnets(known.further), showSubnets(furtherSubnets(wanted))],
    ["ipam.ip_range", known.range, wanted.range],
    ["ipam.aux_addresses", listed(known.reserved), listed(reservedAddresses(wanted.reserved))],
  ];
  if (wanted.subnet) fields.push(["ipam.subnet", known.subnet, wanted.subnet]);
  if (wanted.gateway) fields.push(["ipam.gateway", known.gateway, wanted.gateway]);
  return fields
    .filter(([, from, to]) => from !== to)
    .map(([field, from, to]) => changeOf(`networks.${key}.${field}`, from, to));
}

/** Option names for messages. */
export const reservedAddresses = (reserved: StackNetwork["reserved"]) =>
  reserved && Object.values(reserved).sort();

/** Subnets beyond the first, as in a network's record. */
export const furtherSubnets = ({ further }: Pick<StackNetwork, "further">): SubnetConfig[] | undefined =>
  further?.map(({ reserved, ...rest }) => ({
    ...rest,
    ...(reserved ? { reserved: reservedAddresses(reserved) } : {}),
  }));

/** The address of published ports is part of the containers' configuration. */
const showOptions = ({ hostBinding: _, ...options }: BridgeOptions = {}) =>
  Object.entries(options)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name} ${value}`)
    .join(", ") || undefined;

const showSubnets = (subnets: readonly SubnetConfig[] = []) =>
  subnets
    .map(({ subnet, gateway, range, reserved = [] }) =>
      [
        subnet,
        gateway && `gateway ${gateway}`,
        range && `ip_range ${range}`,
        ...reserved.map((address) => `without ${address}`),
      ]
        .filter(Boolean)
        .join(" "),
    )
    .join(", ") || undefined;

const listed = (addresses: readonly string[] = []) => addresses.join(" ") || undefined;

/** Throws NETWORK_IN_USE if containers of other stacks, or of services not in the plan, would lose their network. */
function checkOtherUsers(name: string, actual: Actual, chosen: ReadonlySet<string>): void {
  const foreign = actual.foreignNetworkUsers[name];
  if (foreign)
    throw new BayError(
      "NETWORK_IN_USE",
      `cannot change the network ${name}: ${foreign} of another stack uses it`,
      {
        hint: "remove the container first",
      },
    );
  const other = actual.containers.find(
    (container) =>
      (!chosen.has(container.service) || (container.oneOff && container.alive)) && isOn(container, name),
  );
  if (!other) return;
  throw new BayError("NETWORK_IN_USE", `cannot change the network ${name}: ${other.name} also uses it`, {
    hint: "run the command for the whole stack, without service names and with --remove-orphans",
  });
}

const isOn = ({ config }: ActualContainer, network: string) =>
  config.networks.some((each) => each.network === network);
