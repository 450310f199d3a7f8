/** The stack's own networks and volumes: their names on the host, addresses, and where a volume's files are. */
import { isIPv4 } from "node:net";
import { isAbsolute } from "node:path";
import { contains, isSubnet, parseSubnet } from "../ipv4.ts";
import type { ReportAt } from "./check.ts";
import type { FileInput } from "./schema.ts";
import { textMap, truth } from "./service-reader.ts";
import type { StackNetwork, StackVolume } from "./stack.ts";

type Report = (path: (string | number)[], message: string) => void;

const reporter =
  (section: "networks" | "volumes", key: string, report: ReportAt): Report =>
  (path, message) =>
    report([section, key, ...path], {
      severity: "error",
      code: "BAD_VALUE",
      message: `${[section, key, ...path.filter((step) => typeof step === "string")].join(".")}: ${message}`,
    });

/** `external: true`, or the older `external: { name }`, which also says the name. */
function readExternal(
  given: boolean | string | { name?: string | undefined } | undefined,
  name: string | undefined,
  key: string,
  stack: string,
): { name: string; external: boolean } {
  const isNamed = typeof given === "object";
  const external = isNamed || truth(given);
  return {
    name: name ?? (isNamed ? given.name : undefined) ?? (external ? key : `${stack}_${key}`),
    external,
  };
}

export function readNetworks(
  input: FileInput,
  stack: string,
  report: ReportAt,
): Record<string, StackNetwork> {
  const declared = Object.entries(input.networks ?? {}).map(([key, network]) => {
    const bad = reporter("networks", key, report);
    const mtu = network?.driver_opts?.mtu ?? network?.driver_opts?.["com.docker.network.driver.mtu"];
    for (const option of Object.keys(network?.driver_opts ?? {}))
      if (!["com.docker.network.driver.mtu", "mtu"].includes(option))
        report(
          ["networks", key, "driver_opts", option],
          {
            severity: "error",
            code: "UNSUPPORTED_KEY",
            message: `networks.${key}.driver_opts.${option} is not supported; mtu is`,
          },
          true,
        );
    return [
      key,
      {
        ...readExternal(network?.external, network?.name, key, stack),
        internal: truth(network?.internal),
        ...readAddresses(network?.ipam?.config?.[0] ?? {}, bad),
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

type Addresses = NonNullable<
  NonNullable<NonNullable<NonNullable<FileInput["networks"]>[string]>["ipam"]>["config"]
>[number];

function readAddresses(
  { subnet, gateway, ip_range: range, aux_addresses: reserved }: Addresses,
  bad: Report,
): Pick<StackNetwork, "subnet" | "gateway" | "range" | "reserved"> {
  const at = (field: string) => ["ipam", "config", 0, field];
  const isRight = subnet !== undefined && isSubnet(subnet);
  const isInside = (address: string) => isRight && contains(parseSubnet(subnet), address);
  if (subnet !== undefined && !isRight)
    bad(
      at("subnet"),
      `${JSON.stringify(subnet)} is no subnet such as 10.1.0.0/16, with no bits behind its prefix`,
    );
  if (gateway !== undefined && !isIPv4(gateway))
    bad(at("gateway"), `${JSON.stringify(gateway)} is no IPv4 address`);
  if (range !== undefined && !isSubnet(range))
    bad(at("ip_range"), `${JSON.stringify(range)} is no subnet such as 10.1.5.0/24`);
  else if (range !== undefined && !(isInside(range.split("/")[0]!) && prefixOf(range) >= prefixOf(subnet!)))
    bad(at("ip_range"), subnet === undefined ? "needs a subnet beside it" : `${range} is not in ${subnet}`);
  for (const [name, address] of Object.entries(reserved ?? {}))
    if (!isIPv4(String(address)) || !isInside(String(address)))
      bad([...at("aux_addresses"), name], `${JSON.stringify(address)} is no address of the subnet`);
  return {
    subnet,
    gateway,
    ...(range === undefined ? {} : { range }),
    ...(reserved === undefined ? {} : { reserved }),
  };
}

const prefixOf = (subnet: string) => Number(subnet.split("/")[1]);

export function readVolumes(input: FileInput, stack: string, report: ReportAt): Record<string, StackVolume> {
  return Object.fromEntries(
    Object.entries(input.volumes ?? {}).map(([key, volume]) => [
      key,
      {
        ...readExternal(volume?.external, volume?.name, key, stack),
        ...readDevice(textMap(volume?.driver_opts), reporter("volumes", key, report)),
        labels: textMap(volume?.labels),
      },
    ]),
  );
}

/** Options of the local driver: a folder of the host that is bound as the volume, or a file system that is mounted. */
function readDevice(options: Record<string, string>, bad: Report): Pick<StackVolume, "device" | "mount"> {
  const { type = "none", o = "", device, ...others } = options;
  if (Object.keys(options).length === 0) return {};
  for (const option of Object.keys(others))
    bad(["driver_opts", option], "the local driver has type, o and device");
  const flags = o.split(",").filter(Boolean);
  const isBind = flags.some((flag) => flag === "bind" || flag === "rbind");
  if (type === "none" && !isBind) bad(["driver_opts"], "expected a type, or o: bind with a folder as device");
  else if (isBind && flags.some((flag) => !["bind", "rbind", "rw"].includes(flag)))
    bad(["driver_opts", "o"], `${o}: bind and rbind are supported; ro stands at the service's volume`);
  else if (isBind && (device === undefined || !isAbsolute(device)))
    bad(["driver_opts", "device"], "expected the absolute path of a folder");
  else if (isBind) return { device: device! };
  else if (!/^[a-z0-9][a-z0-9._-]*$/.test(type))
    bad(["driver_opts", "type"], `${JSON.stringify(type)} is no type of a file system`);
  else if (flags.some((flag) => /^(pass|password)\w*=/.test(flag)))
    bad(["driver_opts", "o"], "a password would be seen in the list of processes: give credentials=FILE");
  else if (device?.startsWith("-") || (device === undefined && type !== "tmpfs"))
    bad(["driver_opts", "device"], `expected what ${type} is mounted from`);
  else return { mount: { type, device: device ?? "tmpfs", options: o } };
  return {};
}
