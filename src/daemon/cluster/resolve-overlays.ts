/**
 * Fills in what a stack file leaves open of its overlay networks: the subnet and the identifier, which are the same on all
 * hosts. Those of a network that exists on any host are kept. Pure.
 */
import { createHash } from "node:crypto";
import { BayError } from "../../core/errors.ts";
import {
  formatSubnet,
  isRange,
  overlaps,
  parseRange,
  parseSubnet,
  type Subnet,
  versionOf,
} from "../../core/ip.ts";
import { type Encapsulation, maxHosts } from "../../network/index.ts";
import type { Stack, StackNetwork } from "../../stack/index.ts";
import type { HostState } from "./host-state.ts";

/** The port that IANA assigned to VXLAN (RFC 7348). */
export const VXLAN_PORT = 4789;
const MAX_ID = 2 ** 24 - 1;

type Overlay = HostState["overlays"][number];

/** Throws BAD_SUBNET, NO_SUBNET, NO_ENCAPSULATION. */
export function resolveOverlays(stack: Stack, states: readonly HostState[], hosts: number): Stack {
  const known = new Map(states.flatMap(({ overlays }) => overlays).map((overlay) => [overlay.name, overlay]));
  const ids = new Set([...known.values()].map(({ id }) => id));
  const used = states.flatMap(({ subnets }) => subnets).flatMap((text) => plain(text) ?? []);
  const networks = Object.entries(stack.networks).map(([key, network]) => {
    if (!network.overlay || network.external) return [key, network] as const;
    const own = known.get(network.name);
    const resolved = resolve(key, network, own, { ids, used });
    const most = maxHosts(parseSubnet(resolved.subnet!));
    if (hosts > most)
      throw new BayError(
        "BAD_SUBNET",
        `networks.${key}: the subnet ${resolved.subnet} has room for ${most} hosts, and the cluster has ${hosts}`,
        { hint: "give the network a larger subnet under ipam, such as one with the prefix /16" },
      );
    ids.add(resolved.overlay!.id!);
    used.push(parseSubnet(resolved.subnet!));
    return [key, resolved] as const;
  });
  return { ...stack, networks: Object.fromEntries(networks) };
}

const SUPPORTED: readonly Encapsulation[] = ["vxlan", "gre", "route", "ovs-gre", "ovs-vxlan"];

/** Throws NO_ENCAPSULATION. */
export function supported(
  key: string,
  encapsulation: NonNullable<StackNetwork["overlay"]>["encapsulation"],
  isEncrypted: boolean,
): Encapsulation {
  if (isEncrypted && encapsulation !== "vxlan")
    throw new BayError(
      "NO_ENCAPSULATION",
      `networks.${key}.driver_opts.encrypted: encryption is supported for vxlan, not for ${encapsulation}`,
    );
  const found = SUPPORTED.find((each) => each === encapsulation);
  if (found) return found;
  throw new BayError(
    "NO_ENCAPSULATION",
    `networks.${key}.driver_opts.encapsulation: ${encapsulation} is not supported; expected one of ${SUPPORTED.join(", ")}`,
  );
}

function resolve(
  key: string,
  network: StackNetwork,
  own: Overlay | undefined,
  { ids, used }: { ids: ReadonlySet<number>; used: readonly Subnet[] },
): StackNetwork {
  const overlay = network.overlay!;
  supported(key, overlay.encapsulation, overlay.isEncrypted);
  const others = new Set([...ids].filter((id) => id !== own?.id));
  if (overlay.id !== undefined && others.has(overlay.id))
    throw new BayError(
      "BAD_SUBNET",
      `networks.${key}: another overlay network has the identifier ${overlay.id}`,
      {
        hint: "set vni in its driver_opts to another number, or remove it",
      },
    );
  const subnet = network.subnet ?? own?.subnet ?? chosenSubnet(network.name, used);
  const further = network.ipv6 ? withIpv6(network, own) : network.further;
  return {
    ...network,
    subnet,
    ...(further ? { further } : {}),
    overlay: {
      ...overlay,
      id: overlay.id ?? own?.id ?? chosenId(network.name, others),
      port: overlay.port ?? VXLAN_PORT,
    },
  };
}

/** Throws NO_OPEN_VSWITCH or NO_WIREGUARD, which names each host of a part that lacks what its networks need. */
export function requirePrograms(
  parts: readonly { host: string; stack: Stack; lacks: NonNullable<HostState["lacks"]> }[],
): void {
  for (const [program, isNeeded, code, what, packageName] of PROGRAMS) {
    const problems = parts
      .filter(({ lacks }) => lacks.includes(program))
      .flatMap(({ host, stack: { services, networks } }) => {
        const used = new Set(
          Object.values(services).flatMap((each) => (each.replicas > 0 ? Object.keys(each.networks) : [])),
        );
        return [...used]
          .filter((key) => networks[key]?.overlay && isNeeded(networks[key].overlay))
          .map((key) => `networks.${key}: ${what} not installed on host ${host}`);
      });
    if (problems.length > 0)
      throw new BayError(code, problems.join("\n"), {
        hint: `apt-get install ${packageName} on these hosts`,
      });
  }
}

type OverlayChoice = NonNullable<StackNetwork["overlay"]>;

const PROGRAMS = [
  [
    "ovs-vsctl",
    ({ encapsulation }: OverlayChoice) => encapsulation.startsWith("ovs-"),
    "NO_OPEN_VSWITCH",
    "Open vSwitch is",
    "openvswitch-switch",
  ],
  [
    "wg",
    (overlay: OverlayChoice) => overlay.isEncrypted,
    "NO_WIREGUARD",
    "WireGuard's tools are",
    "wireguard-tools",
  ],
] as const;

/** IPv6 needs the same subnet on all hosts, too. */
function withIpv6(network: StackNetwork, own: Overlay | undefined): NonNullable<StackNetwork["further"]> {
  const given = network.further ?? [];
  if (given.some(({ subnet }) => subnet !== undefined && versionOf(subnet) === 6)) return given;
  const digits = createHash("sha256").update(`ipv6 ${network.name}`).digest("hex");
  const chosen = `fd${digits.slice(0, 2)}:${digits.slice(2, 6)}:${digits.slice(6, 10)}::/64`;
  const subnet = own?.subnets6.find((text) => versionOf(text.split("/")[0]!) === 6) ?? plainText(chosen);
  return [...given, { subnet, gateway: undefined }];
}

const plainText = (text: string) => formatSubnet(parseSubnet(text));

/** The identifier follows from the name, so that hosts which do not hear of each other choose the same. */
function chosenId(name: string, taken: ReadonlySet<number>): number {
  const start = createHash("sha256").update(name).digest().readUIntBE(0, 3);
  for (let step = 0; ; step += 1) {
    const id = ((start + step) % MAX_ID) + 1;
    if (!taken.has(id)) return id;
  }
}

/** A /16 of 10.128.0.0/9 that follows from the name, or the next one that no host uses. Throws NO_SUBNET. */
function chosenSubnet(name: string, used: readonly Subnet[]): string {
  const start = createHash("sha256").update(name).digest().readUInt8(3);
  for (let step = 0; step < 128; step += 1) {
    const text = `10.${128 + ((start + step) % 128)}.0.0/16`;
    if (!used.some((subnet) => overlaps(subnet, parseSubnet(text)))) return text;
  }
  throw new BayError("NO_SUBNET", `no subnet for the network ${name} is free on all hosts`, {
    hint: "give it a subnet under ipam",
  });
}

/** Routes of a single address count as well. */
const plain = (text: string): Subnet | undefined => (isRange(text) ? parseRange(text) : undefined);
