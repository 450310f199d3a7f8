/**
 * The Open vSwitch bridges of overlay networks: which bridges and ports there must be, and the commands of ovs-vsctl(8) that make
 * the existing state equal to it. Pure: it is compared as a whole, so that nothing stale can remain.
 */
import { isDeepStrictEqual } from "node:util";
import { macFor } from "../addresses/address-pool.ts";
import { mtuOf, type NetworkRecord } from "../model/network.ts";
import type { UnderlayHost } from "./underlay.ts";

/** The key in external_ids by which a bay recognizes what it owns; its value is the bay's tag. */
export const OWNER = "bay";

export interface SwitchPort {
  name: string;
  bridge: string;
  /** Tunnel ports never forward to each other. */
  isProtected: boolean;
  /** Empty for a network interface of the host. */
  type: string;
  options: Record<string, string>;
  ids: Record<string, string>;
}

export interface SwitchBridge {
  name: string;
  ids: Record<string, string>;
  mac: string;
  mtu: number | undefined;
}

export interface SwitchState {
  bridges: SwitchBridge[];
  ports: SwitchPort[];
}

const idsOf = (tag: string, { config }: NetworkRecord): Record<string, string> => ({
  [OWNER]: tag,
  "bay-network": config.name,
  ...(config.stack === undefined ? {} : { "bay-stack": config.stack }),
});

/** At most fifteen characters, as Linux has for names of interfaces. */
export const tunnelPortName = (tag: string, { id }: NetworkRecord, slot: number): string =>
  `bt${tag}${id.slice(0, 4)}${slot.toString(16)}`;

/** `links` are the host's ends of the containers' links on each network. */
export function wantedState(
  tag: string,
  networks: readonly NetworkRecord[],
  peers: readonly UnderlayHost[],
  links: (network: NetworkRecord) => readonly string[],
): SwitchState {
  return {
    bridges: networks.map((network) => ({
      name: network.bridge,
      ids: idsOf(tag, network),
      mac: macFor(network.gateway),
      mtu: mtuOf(network),
    })),
    ports: networks.flatMap((network) => {
      const common = { bridge: network.bridge, ids: idsOf(tag, network) };
      const { encapsulation, id, port } = network.config.overlay!;
      const isGre = encapsulation === "ovs-gre";
      return [
        ...peers.map(({ slot, address }) => ({
          ...common,
          name: tunnelPortName(tag, network, slot),
          isProtected: true,
          type: isGre ? "gre" : "vxlan",
          options: {
            remote_ip: address,
            key: String(id),
            ...(isGre ? {} : { dst_port: String(port) }),
          },
        })),
        ...links(network).map((name) => ({ ...common, name, isProtected: false, type: "", options: {} })),
      ];
    }),
  };
}

/** The commands of one transaction; none if nothing differs. `known` has only what this bay owns. */
export function changesOf(wanted: SwitchState, known: SwitchState, datapath: string): string[][] {
  const goneBridges = known.bridges.filter(({ name }) => !wanted.bridges.some((each) => each.name === name));
  const gone = new Set(goneBridges.map(({ name }) => name));
  const keyed = new Map(wanted.ports.map((port) => [port.name, port]));
  return [
    ...goneBridges.map(({ name }) => ["--if-exists", "del-br", name]),
    ...known.ports
      .filter(({ name, bridge }) => !gone.has(bridge) && keyed.get(name)?.bridge !== bridge)
      .map(({ name, bridge }) => ["--if-exists", "del-port", bridge, name]),
    ...wanted.bridges.flatMap((bridge) => bridgeCommands(bridge, known, datapath)),
    ...wanted.ports.flatMap((port) => portCommands(port, known)),
  ];
}

function bridgeCommands(bridge: SwitchBridge, { bridges }: SwitchState, datapath: string): string[][] {
  const { name, ids, mac, mtu } = bridge;
  const found = bridges.find((each) => each.name === name);
  if (found && isDeepStrictEqual(found.ids, ids)) return [];
  return [
    ["--may-exist", "add-br", name],
    [
      "set",
      "Bridge",
      name,
      `external_ids=${mapText(ids)}`,
      ...(found ? [] : [`datapath_type=${datapath}`, `other_config:hwaddr=${JSON.stringify(mac)}`]),
    ],
    ...(mtu === undefined ? [] : [["set", "Interface", name, `mtu_request=${mtu}`]]),
  ];
}

function portCommands(port: SwitchPort, { ports }: SwitchState): string[][] {
  const { name, bridge, type, options, ids, isProtected } = port;
  if (ports.some((each) => each.name === name && isDeepStrictEqual(each, port))) return [];
  return [
    ["--may-exist", "add-port", bridge, name],
    ["set", "Port", name, `protected=${isProtected}`, `external_ids=${mapText(ids)}`],
    ["set", "Interface", name, `type=${JSON.stringify(type)}`, `options=${mapText(options)}`],
  ];
}

const mapText = (map: Readonly<Record<string, string>>) =>
  `{${Object.entries(map)
    .map(([key, value]) => `${JSON.stringify(key)}=${JSON.stringify(value)}`)
    .join(",")}}`;
