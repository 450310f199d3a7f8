/** Ports, networks and names of a service: short and long forms are converted to one. */
import { addressVersion, canonicalAddress } from "../../core/ip.ts";
import { parseRate } from "../../core/rates.ts";
import type { Service } from "../model/stack.ts";
import { expandPorts, type PortMapping, parsePort } from "./ports.ts";
import { joinedPredefined } from "./predefined-networks.ts";
import { type ServiceReader, strings } from "./service-reader.ts";

export function readPorts(reader: ServiceReader): PortMapping[] {
  const all = (reader.input.ports ?? []).flatMap((port, index) => {
    const result =
      typeof port === "object"
        ? expandPorts(
            port.host_ip ?? "",
            String(port.published ?? ""),
            String(port.target),
            port.protocol ?? "tcp",
          )
        : parsePort(String(port));
    if (typeof result !== "string")
      return withMode(reader, result, typeof port === "object" ? port.mode : undefined);
    reader.bad(["ports", index], result);
    return [];
  });
  const seen = new Set<string>();
  for (const port of all) {
    if (port.hostPortEnd !== undefined) continue;
    const key = `${port.hostAddress}:${port.hostPort}/${port.protocol}`;
    if (port.hostPort !== undefined && seen.has(key))
      reader.bad(["ports"], `${port.hostPort}/${port.protocol} is published twice`);
    seen.add(key);
  }
  return all;
}

/**
 * The mode of ports in a stack with hosts. ingress is the default of a fixed port, unless the service belongs to one host;
 * a port that is chosen at the start is one of the container's own host.
 */
function withMode(
  { input, context }: ServiceReader,
  ports: PortMapping[],
  mode: "ingress" | "host" | undefined,
): PortMapping[] {
  if (context.hosts === undefined) return ports;
  const names = strings(input.host ?? input["x-bay"]?.host);
  return ports.map((port) => {
    const isFixed = port.hostPort !== undefined && port.hostPortEnd === undefined;
    return { ...port, mode: isFixed ? (mode ?? (names.length === 1 ? "host" : "ingress")) : "host" };
  });
}

/** A name that is valid in /etc/hosts and in DNS. */
export const HOST_NAME = /^[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,251}[a-zA-Z0-9_])?$/;

/** A network name as the mode means `bridge` with only that network. An external network host or none is that mode. */
export function readNetworkMode(reader: ServiceReader): Service["networkMode"] {
  const joined = joinedPredefined(reader.input, reader.context.predefined);
  if (joined?.problem) reader.bad(["networks", joined.problem.key], joined.problem.message);
  if (joined) return joined.mode;
  const mode = reader.input.network_mode ?? "bridge";
  if (isNetworkMode(mode)) return mode;
  if (networkOfMode(mode) === undefined && mode !== "" && mode !== "default")
    reader.bad(
      ["network_mode"],
      `expected none, host, service:NAME, container:NAME or the name of a network, got ${JSON.stringify(mode)}`,
    );
  return "bridge";
}

const NETWORK_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;

/** The network that a `network_mode` names; undefined for the modes themselves. `default` is Docker's alias for bridge. */
export const networkOfMode = (mode: string | undefined): string | undefined =>
  mode === undefined || isNetworkMode(mode) || mode === "default" || !NETWORK_NAME.test(mode)
    ? undefined
    : mode;

function isNetworkMode(mode: string): mode is Service["networkMode"] {
  return mode === "bridge" || mode === "none" || mode === "host" || /^(service|container):.+/.test(mode);
}

export const readNetworks = (reader: ServiceReader): Service["networks"] =>
  withSpoofing(reader, withMac(reader, attachmentsOf(reader)));

function attachmentsOf(reader: ServiceReader): Service["networks"] {
  const { networks } = reader.input;
  const mode = reader.input.network_mode;
  const named = networkOfMode(mode);
  if (named !== undefined) return { [named]: { aliases: [], ipv4: undefined } };
  if (joinedPredefined(reader.input, reader.context.predefined)) return {};
  if (mode !== undefined && !["bridge", "default", ""].includes(mode)) return {};
  if (networks === undefined) return { default: { aliases: [], ipv4: undefined } };
  if (Array.isArray(networks))
    return Object.fromEntries(networks.map((key) => [String(key), { aliases: [], ipv4: undefined }]));
  const entries = Object.entries(networks).sort(
    ([, a], [, b]) => Number(b?.priority ?? 0) - Number(a?.priority ?? 0),
  );
  return Object.fromEntries(
    entries.map(([key, value]) => [
      key,
      {
        aliases: (value?.aliases ?? []).map(String),
        ipv4: value?.ipv4_address,
        ...(value?.ipv6_address === undefined ? {} : { ipv6: plainAddress(value.ipv6_address) }),
        ...(value?.mac_address === undefined ? {} : { mac: value.mac_address.toLowerCase() }),
        ...(value?.interface_name === undefined ? {} : { interface: value.interface_name }),
        ...(value?.gw_priority === undefined ? {} : { gatewayPriority: Number(value.gw_priority) }),
        ...readRate(reader, key, value?.["x-bay-rate"]),
      },
    ]),
  );
}

function readRate(
  reader: ServiceReader,
  key: string,
  given: string | number | undefined,
): Pick<Service["networks"][string], "rate"> {
  if (given === undefined) return {};
  const path = ["networks", key, "x-bay-rate"];
  const rate = parseRate(String(given));
  if (typeof rate === "number") {
    reader.note(path, "bay does not limit the rate of networks yet");
    return { rate };
  }
  reader.bad(path, rate);
  return {};
}

/** The canonical form of an address; the checks report an invalid one. */
export const plainAddress = (text: string) => (addressVersion(text) ? canonicalAddress(text) : text);

/** mac_address of the service applies to its first network. */
function withMac(reader: ServiceReader, networks: Service["networks"]): Service["networks"] {
  const { mac_address: mac } = reader.input;
  const [first] = Object.entries(networks);
  if (mac === undefined) return networks;
  if (!first) reader.bad(["mac_address"], "the service does not have its own network");
  else if (first[1].mac !== undefined && first[1].mac !== mac.toLowerCase())
    reader.bad(["mac_address"], `the network ${first[0]} has a different one; set only one of them`);
  else return { ...networks, [first[0]]: { ...first[1], mac: mac.toLowerCase() } };
  return networks;
}

function withSpoofing({ input }: ServiceReader, networks: Service["networks"]): Service["networks"] {
  if (input["x-bay"]?.spoofing !== "allow") return networks;
  return Object.fromEntries(
    Object.entries(networks).map(([key, each]) => [key, { ...each, maySpoof: true }]),
  );
}

export function readExtraHosts(
  reader: ServiceReader,
  path: string[] = ["extra_hosts"],
  hosts: ServiceReader["input"]["extra_hosts"] = reader.input.extra_hosts,
): string[] {
  if (!hosts) return [];
  const entries = Array.isArray(hosts)
    ? hosts.map(String)
    : Object.entries(hosts).flatMap(([name, value]) => [value].flat().map((address) => `${name}=${address}`));
  return entries.flatMap((entry) => {
    const [, name = "", address] = /^([^=:]+)[=:](.+)$/.exec(entry) ?? [];
    if (address && HOST_NAME.test(name)) return [`${name}=${address}`];
    reader.bad(path, `expected NAME=ADDRESS, got ${JSON.stringify(entry)}`);
    return [];
  });
}
