/** `bay network create`, `connect`, `disconnect`, and `bay volume create`: objects without a stack file. */
import { BayError } from "../../../core/errors.ts";
import type { Context } from "../../context.ts";
import { namedValues } from "../../options.ts";
import { print } from "../../ui/output.ts";

interface NetworkOptions {
  driver?: string;
  subnet?: string[];
  gateway?: string[];
  ipRange?: string[];
  auxAddress?: string[];
  internal?: boolean;
  ipv6?: boolean;
  label?: string[];
  opt?: string[];
  attachable?: boolean;
}

/** Throws BAD_OPTION if a gateway or a range belongs to no subnet. What the values mean is checked by bayd. */
export async function createNetwork(
  context: Context,
  [name]: string[],
  options: NetworkOptions,
): Promise<void> {
  const { subnet: subnets = [], gateway: gateways = [], ipRange: ranges = [] } = options;
  if (subnets.length < Math.max(gateways.length, ranges.length))
    throw new BayError("BAD_OPTION", "each --gateway and --ip-range needs a --subnet", {
      hint: "their order is that of the subnets",
    });
  const addresses = namedValues("--aux-address", options.auxAddress);
  const Config = subnets.map((Subnet, index) => ({
    Subnet,
    Gateway: gateways[index],
    IPRange: ranges[index],
    ...(index === 0 && options.auxAddress ? { AuxiliaryAddresses: addresses } : {}),
  }));
  const client = await context.daemon();
  const { Id, Warning } = await client.json<{ Id: string; Warning: string }>("POST", "/networks/create", {
    Name: name,
    Driver: options.driver,
    Internal: options.internal,
    EnableIPv6: options.ipv6,
    Attachable: options.attachable,
    Labels: namedValues("--label", options.label),
    Options: namedValues("--opt", options.opt),
    ...(Config.length > 0 ? { IPAM: { Config } } : {}),
  });
  if (Warning) process.stderr.write(`warning: ${Warning}\n`);
  print(Id);
}

interface ConnectOptions {
  alias?: string[];
  ip?: string;
  ip6?: string;
  link?: string[];
  driverOpt?: string[];
}

export async function connect(
  context: Context,
  [network, container]: string[],
  options: ConnectOptions,
): Promise<void> {
  const client = await context.client();
  await client.json("POST", `/networks/${encodeURIComponent(network!)}/connect`, {
    Container: container,
    EndpointConfig: {
      Aliases: options.alias,
      Links: options.link,
      DriverOpts: options.driverOpt && namedValues("--driver-opt", options.driverOpt),
      IPAMConfig:
        options.ip || options.ip6 ? { IPv4Address: options.ip, IPv6Address: options.ip6 } : undefined,
    },
  });
  print(`container ${container} connected to network ${network}`);
}

export async function disconnect(
  context: Context,
  [network, container]: string[],
  options: { force?: boolean },
): Promise<void> {
  const client = await context.client();
  await client.json("POST", `/networks/${encodeURIComponent(network!)}/disconnect`, {
    Container: container,
    Force: options.force ?? false,
  });
  print(`container ${container} disconnected from network ${network}`);
}

/** Prints the name, which is random if none is given. */
export async function createVolume(
  context: Context,
  [name]: string[],
  options: { driver?: string; opt?: string[]; label?: string[] },
): Promise<void> {
  const client = await context.daemon();
  const { Name } = await client.json<{ Name: string }>("POST", "/volumes/create", {
    Name: name,
    Driver: options.driver,
    DriverOpts: namedValues("--opt", options.opt),
    Labels: namedValues("--label", options.label),
  });
  print(Name);
}
