/** The stack's networks and volumes: their names on the host, addresses, and the location of a volume's files. */
import { resolve } from "node:path";
import {
  addressVersion,
  contains,
  defaultGateway,
  formatSubnet,
  isHostAddress,
  isRange,
  parseRange,
  parseSubnet,
  rangeProblem,
  subnetProblem,
  versionOf,
} from "../../core/ip.ts";
import type { ReportAt } from "../check/check.ts";
import type { StackNetwork, StackSubnet, StackVolume } from "../model/stack.ts";
import type { FileInput } from "../schema/schema.ts";
import { readBridgeOptions } from "./bridge-options.ts";
import { missingNetworkDriver, missingVolumeDriver, OVERLAY } from "./missing-drivers.ts";
import { readOverlayOptions } from "./overlay-options.ts";
import { plainAddress } from "./ports-and-networks.ts";
import { PREDEFINED_NETWORKS, predefinedNetworks } from "./predefined-networks.ts";
import { textMap, truth } from "./service-reader.ts";

type Report = (path: (string | number)[], message: string) => void;

const reporter =
  (section: "networks" | "volumes", key: string, report: ReportAt): Report =>
  (path, message) =>
    report([section, key, ...path], {
      severity: "error",
      code: "BAD_VALUE",
      message: `${[section, key, ...path.filter((step) => typeof step === "string")].join(".")}: ${message}`,
    });

const EXTERNAL_KEYS = ["external", "name"];

/** Rejects settings of an external network or volume, which bay does not change. */
function checkExternal(given: object | null | undefined, isExternal: boolean, bad: Report): void {
  if (!isExternal) return;
  for (const key of Object.keys(given ?? {}))
    if (!EXTERNAL_KEYS.includes(key)) bad([key], "only the name of an external resource can be set");
}

const HOST_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;

/** The name on the host: the name in the file, or one made of the stack's name and the key. */
function checkName(
  given:
    | { name?: string | undefined; external?: boolean | string | { name?: string | undefined } | undefined }
    | null
    | undefined,
  whole: string,
  bad: Report,
): void {
  const external = typeof given?.external === "object" ? given.external.name : undefined;
  if (given?.name !== undefined && external !== undefined)
    bad(["external", "name"], "name and external.name cannot be used together; use name");
  const path = given?.name !== undefined ? ["name"] : external !== undefined ? ["external", "name"] : [];
  if (!HOST_NAME.test(whole))
    bad(
      path,
      `invalid name ${JSON.stringify(whole)}: expected at most 255 letters, digits, _ . -, with a letter or digit first`,
    );
}

/** `external: true`, or the older `external: { name }`, which also sets the name. */
function readExternal(
  given: boolean | string | { name?: string | undefined } | undefined,
  name: string | undefined,
  key: string,
  stack: string,
): { name: string; external: boolean } {
  const external = isExternal(given);
  return {
    name:
      name ?? (typeof given === "object" ? given.name : undefined) ?? (external ? key : `${stack}_${key}`),
    external,
  };
}

const isExternal = (given: boolean | string | object | undefined) =>
  typeof given === "object" || truth(given);

export function readNetworks(
  input: FileInput,
  stack: string,
  hasHosts: boolean,
  report: ReportAt,
): Record<string, StackNetwork> {
  const declared = Object.entries(input.networks ?? {}).map(([key, network]) => {
    const bad = reporter("networks", key, report);
    checkExternal(network, isExternal(network?.external), bad);
    const names = readExternal(network?.external, network?.name, key, stack);
    checkName(network, names.name, bad);
    if (!names.external && PREDEFINED_NETWORKS.includes(names.name))
      bad(["name"], `the name ${names.name} is reserved for a predefined network; use another name`);
    const missingDriver = missingNetworkDriver(key, network ?? {}, hasHosts, report);
    // the options of another driver are checked by that driver
    const given = missingDriver?.driver === undefined ? textMap(network?.driver_opts) : {};
    const badOption = (option: string, message: string) =>
      report(
        ["networks", key, "driver_opts", option],
        {
          severity: "error",
          code: "BAD_VALUE",
          message: `networks.${key}.driver_opts.${option} ${message}`,
        },
        true,
      );
    const { mtu, ...driver } =
      hasHosts && network?.driver === OVERLAY
        ? readOverlayOptions(given, truth(network.attachable), badOption)
        : readBridgeOptions(given, badOption);
    return [
      key,
      {
        ...names,
        internal: truth(network?.internal),
        ...readSubnets(network ?? {}, key, bad, report),
        ...driver,
        ...(missingDriver ? { missingDriver } : {}),
        mtu,
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
  const predefined = predefinedNetworks(input.networks);
  return { default: plain, ...Object.fromEntries(declared.filter(([key]) => !predefined.has(key))) };
}

type NetworkInput = NonNullable<NonNullable<FileInput["networks"]>[string]>;
type Addresses = NonNullable<NonNullable<NetworkInput["ipam"]>["config"]>[number];

/** The subnets under ipam: the first IPv4 subnet is the network's own, which bay chooses if absent. */
function readSubnets(
  { enable_ipv6, ipam }: NetworkInput,
  key: string,
  bad: Report,
  report: ReportAt,
): StackSubnet & Pick<StackNetwork, "ipv6" | "further"> {
  const ipv6 = truth(enable_ipv6);
  const all = (ipam?.config ?? []).map((given, index) => readAddresses(given, index, bad));
  const isOfIpv6 = ({ subnet, gateway }: StackSubnet) => versionOf(subnet ?? gateway ?? "") === 6;
  const own = all.find((each) => !isOfIpv6(each)) ?? { subnet: undefined, gateway: undefined };
  const further = all.filter((each) => each !== own && (ipv6 || !isOfIpv6(each)));
  for (const [index, each] of all.entries()) {
    if (each.subnet === undefined && each !== own) bad(["ipam", "config", index], "needs a subnet");
    if (ipv6 || !isOfIpv6(each)) continue;
    const message = `networks.${key}: the subnet ${each.subnet} is not used, as enable_ipv6 is not true`;
    report(["networks", key, "ipam", "config", index], { severity: "warning", code: "NO_EFFECT", message });
  }
  return { ...own, ...(ipv6 ? { ipv6 } : {}), ...(further.length > 0 ? { further } : {}) };
}

function readAddresses(given: Addresses, index: number, bad: Report): StackSubnet {
  const at = (field: string) => ["ipam", "config", index, field];
  const [subnet, range] = [given.subnet, given.ip_range].map(plainSubnet);
  const gateway = given.gateway === undefined ? undefined : plainAddress(given.gateway);
  const reserved = given.aux_addresses && mapAddresses(given.aux_addresses);
  const wrong = subnet === undefined ? undefined : subnetProblem(subnet);
  const isRight = subnet !== undefined && wrong === undefined;
  const isInside = (address: string) => isRight && contains(parseSubnet(subnet), address);
  if (wrong !== undefined) bad(at("subnet"), wrong);
  if (gateway !== undefined && addressVersion(gateway) === undefined)
    bad(at("gateway"), `invalid IP address ${JSON.stringify(gateway)}`);
  else if (gateway !== undefined && isRight && !isInside(gateway))
    bad(at("gateway"), `${gateway} is not in ${subnet}`);
  const wrongRange = range === undefined ? undefined : rangeProblem(range);
  if (wrongRange !== undefined) bad(at("ip_range"), wrongRange);
  else if (range !== undefined && subnet === undefined) bad(at("ip_range"), "needs a subnet as well");
  else if (range !== undefined && isRight)
    checkRange(range, subnet, gateway, (message) => bad(at("ip_range"), message));
  for (const [name, address] of Object.entries(reserved ?? {}))
    if (wrong !== undefined) break;
    else if (!isInside(address))
      bad([...at("aux_addresses"), name], `${JSON.stringify(address)} is not an address of the subnet`);
    else if (address === (gateway ?? defaultGateway(parseSubnet(subnet!))))
      bad([...at("aux_addresses"), name], `${address} is the gateway of the network`);
  return {
    subnet,
    gateway,
    ...(range === undefined ? {} : { range }),
    ...(reserved === undefined ? {} : { reserved }),
  };
}

/** Checks that an ip_range contains at least one address that a container can have. */
function checkRange(
  range: string,
  subnet: string,
  gateway: string | undefined,
  bad: (message: string) => void,
): void {
  const whole = parseSubnet(subnet);
  const first = range.split("/")[0]!;
  if (!contains(whole, first) || prefixOf(range) < whole.prefix) return bad(`${range} is not in ${subnet}`);
  const isSingle = prefixOf(range) === (whole.version === 4 ? 32 : 128);
  if (!isSingle) return;
  if (!isHostAddress(whole, first)) bad(`${first} is not an address that a container can have in ${subnet}`);
  else if (first === (gateway ?? defaultGateway(whole)))
    bad(`${range} has only the address of the gateway, so no container gets an address`);
}

/** The canonical form of a subnet; invalid text is left for the checks. */
const plainSubnet = (text: string | undefined) =>
  text !== undefined && isRange(text) ? formatSubnet(parseRange(text)) : text;

const mapAddresses = (addresses: Record<string, string>) =>
  Object.fromEntries(Object.entries(addresses).map(([name, address]) => [name, plainAddress(address)]));

const prefixOf = (subnet: string) => Number(subnet.split("/")[1]);

export function readVolumes(
  input: FileInput,
  stack: string,
  report: ReportAt,
  directory: string,
): Record<string, StackVolume> {
  return Object.fromEntries(
    Object.entries(input.volumes ?? {}).map(([key, volume]) => {
      const bad = reporter("volumes", key, report);
      checkExternal(volume, isExternal(volume?.external), bad);
      const names = readExternal(volume?.external, volume?.name, key, stack);
      checkName(volume, names.name, bad);
      const missingDriver = missingVolumeDriver(key, volume ?? {}, report);
      const whole: StackVolume = {
        ...names,
        ...(missingDriver ? { missingDriver } : readDevice(textMap(volume?.driver_opts), directory, bad)),
        labels: textMap(volume?.labels),
      };
      return [key, whole];
    }),
  );
}

/** Options of the local driver: a directory of the host to bind, or a file system to mount. */
function readDevice(
  given: Record<string, string>,
  directory: string,
  bad: Report,
): Pick<StackVolume, "device" | "mount"> {
  // as in Docker's local driver, an empty option counts as absent
  const options: Record<string, string> = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== ""),
  );
  const { type = "none", o = "", device, ...others } = options;
  if (Object.keys(options).length === 0) return {};
  for (const option of Object.keys(others))
    bad(["driver_opts", option], "the local driver supports type, o and device");
  const flags = o.split(",").filter(Boolean);
  const isBind = flags.some((flag) => flag === "bind" || flag === "rbind");
  if (type === "none" && !isBind)
    bad(["driver_opts"], "expected a type, or o: bind with a directory as device");
  else if (isBind && flags.some((flag) => !["bind", "rbind", "rw"].includes(flag)))
    bad(["driver_opts", "o"], `${o}: only bind and rbind are supported; set ro on the service's volume`);
  else if (isBind && device === undefined) bad(["driver_opts", "device"], "expected the path of a directory");
  else if (isBind) return { device: resolve(directory, device!) };
  else if (!/^[a-z0-9][a-z0-9._-]*$/.test(type))
    bad(["driver_opts", "type"], `invalid file system type ${JSON.stringify(type)}`);
  else if (flags.some((flag) => /^(pass|password)\w*=/.test(flag)))
    bad(["driver_opts", "o"], "a password would be visible in the process list: use credentials=FILE");
  else if (device?.startsWith("-") || (device === undefined && type !== "tmpfs"))
    bad(["driver_opts", "device"], `expected the source of the ${type} mount`);
  else return { mount: { type, device: device ?? "tmpfs", options: o } };
  return {};
}
