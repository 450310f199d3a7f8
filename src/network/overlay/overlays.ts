/** The overlay networks of this host: their tunnels, directions and rules, kept as the records and the other hosts require. */
import { join } from "node:path";
import { BayError, messageOf } from "../../core/errors.ts";
import { versionOf } from "../../core/ip.ts";
import type { Links } from "../../linux/index.ts";
import { withLinks } from "../drivers/bridge.ts";
import { gre } from "../drivers/gre.ts";
import { OpenVSwitches, ovsGre, ovsVxlan } from "../drivers/open-vswitch.ts";
import type { OverlayDriver, OverlayPass } from "../drivers/overlay-driver.ts";
import { route } from "../drivers/route.ts";
import { vxlan } from "../drivers/vxlan.ts";
import { WireGuard } from "../drivers/wireguard.ts";
import {
  type Encapsulation,
  type Endpoint,
  isEncrypted,
  isRouted,
  isSwitched,
  type NetworkRecord,
} from "../model/network.ts";
import { TunnelGuard } from "../rules/tunnel-guard.ts";
import { encrypted, WIREGUARD_OVERHEAD } from "./encryption.ts";
import { type TunnelKey, tunnelKey } from "./tunnel-key.ts";
import type { Underlay, UnderlayHost } from "./underlay.ts";

export interface OverlayHost {
  roots: { tag: string; root: string };
  list(): NetworkRecord[];
  directory: { endpoints(): { endpoint: Endpoint }[] };
}

type TunnelFacts = Pick<UnderlayHost, "otherAddress" | "wireguardKey">;

/** Milliseconds after which this host's addresses are read again. */
const FACTS_AGE = 2000;

const DRIVERS: Record<Encapsulation, OverlayDriver> = {
  vxlan,
  gre,
  route,
  "ovs-gre": ovsGre,
  "ovs-vxlan": ovsVxlan,
};

const driverOf = ({ config }: NetworkRecord): OverlayDriver => DRIVERS[config.overlay!.encapsulation];

export class Overlays {
  /** The other hosts; undefined while this host is not a member of a cluster. */
  underlay: Underlay | undefined;
  #isPending = false;
  #facts: { at: number; value: TunnelFacts } = { at: 0, value: {} };
  readonly #guard: TunnelGuard;
  readonly switches: OpenVSwitches;
  readonly wireguard: WireGuard;

  constructor(
    readonly host: OverlayHost,
    readonly warn: (text: string) => void,
  ) {
    this.#guard = new TunnelGuard(host.roots.tag, () => ({
      networks: this.list(),
      peers: this.underlay?.peers() ?? [],
      endpoints: this.underlay?.endpoints() ?? [],
    }));
    this.switches = new OpenVSwitches({
      tag: host.roots.tag,
      networks: () => host.list(),
      peers: () => this.underlay?.peers() ?? [],
      links: (network) =>
        host.directory
          .endpoints()
          .flatMap(({ endpoint }) => (endpoint.network === network ? endpoint.link : [])),
      warn,
    });
    this.wireguard = new WireGuard({
      tag: host.roots.tag,
      networks: () => host.list(),
      underlay: () => this.underlay,
      mtu: () => encryptedMtu(this.underlay!.self.address),
      key: () => this.#key(),
      file: join(host.roots.root, "host", "wireguard.conf"),
      warn,
    });
  }

  #key(): TunnelKey {
    return tunnelKey(join(this.host.roots.root, "host", "wireguard.key"));
  }

  list(): NetworkRecord[] {
    return this.host.list().filter(({ config }) => config.overlay);
  }

  /** Fills in the MTU of a new record. Throws BAD_MTU, BAD_MEMBER. */
  withMtu(record: NetworkRecord): NetworkRecord {
    if (!record.config.overlay || !this.underlay) return record;
    const { self } = this.underlay;
    if (isRouted(record) && record.config.ipv6) requireIpv6(record, self.address);
    const { overhead } = driverOf(record);
    const most = isEncrypted(record)
      ? encryptedMtu(self.address) - overhead[6]
      : underlayMtu(self.address) - overhead[versionOf(self.address) ?? 4];
    if (record.config.mtu !== undefined && record.config.mtu > most)
      throw new BayError(
        "BAD_MTU",
        `network ${record.config.name}: the MTU ${record.config.mtu} is too large: packets between the hosts have at most ${most} bytes for it on ${self.address}`,
      );
    return { ...record, mtu: record.config.mtu ?? most };
  }

  /** What other hosts need to know of this one for their tunnels. */
  facts(): TunnelFacts {
    const now = Date.now();
    const { address } = this.underlay?.self ?? {};
    if (address === undefined) return {};
    if (now - this.#facts.at > FACTS_AGE) {
      const otherAddress = otherAddressOf(address);
      const wireguardKey = this.#facts.value.wireguardKey ?? this.#key().told;
      this.#facts = {
        at: now,
        value: { ...(otherAddress === undefined ? {} : { otherAddress }), wireguardKey },
      };
    }
    return this.#facts.value;
  }

  /**
   * Creates what a network needs. The rules come first: no packet of a stranger passes. Throws BAD_MEMBER, NO_OPEN_VSWITCH,
   * OPEN_VSWITCH, NO_WIREGUARD, WIREGUARD.
   */
  async bringUp(record: NetworkRecord): Promise<void> {
    if (!record.config.overlay || !this.underlay) return;
    const { underlay } = this;
    this.#guard.apply();
    if (isEncrypted(record)) await this.wireguard.passes.sync();
    withLinks((links) => {
      const pass = this.#pass(record, links, underlay);
      driverOf(record).ensure(record, pass);
      driverOf(record).sync(record, pass);
    });
    if (isSwitched(record)) await this.switches.passes.sync();
  }

  /** After the record of a network was removed: removes what is shared with other networks, if it is unused now. */
  async settle(record: NetworkRecord): Promise<void> {
    if (isSwitched(record)) await this.switches.passes.sync();
    if (isEncrypted(record)) await this.wireguard.passes.sync();
  }

  /** A link of a container on this network was added or removed. */
  linksChanged(network: NetworkRecord): void {
    if (isSwitched(network)) this.switches.passes.soon();
  }

  #pass(record: NetworkRecord, links: Links, underlay: Underlay): OverlayPass {
    return {
      tag: this.host.roots.tag,
      underlay: isEncrypted(record) ? encrypted(underlay) : underlay,
      links,
      own: () => this.host.directory.endpoints().map(({ endpoint }) => endpoint),
    };
  }

  /** Applies what the other hosts have now, soon: changes of one moment share a pass. */
  sync(): void {
    if (this.#isPending) return;
    this.#isPending = true;
    setImmediate(() => {
      this.#isPending = false;
      try {
        this.#guard.apply();
        withLinks((links) => this.#syncAll(links));
      } catch (error) {
        this.warn(`overlay networks: ${messageOf(error)}`);
      }
    });
  }

  #syncAll(links: Links): number {
    const { underlay } = this;
    if (!underlay) return 0;
    if (this.list().some(isSwitched)) this.switches.passes.soon();
    if (this.list().some(isEncrypted)) this.wireguard.passes.soon();
    return this.list().reduce(
      (sum, record) => sum + driverOf(record).sync(record, this.#pass(record, links, underlay)),
      0,
    );
  }

  /** Removes what the network has beside its bridge. */
  remove(record: NetworkRecord, links: Links): void {
    if (record.config.overlay) driverOf(record).remove(record, { tag: this.host.roots.tag, links });
  }

  /** Removes the rules if the last overlay has gone. */
  release(): void {
    this.#guard.apply();
  }

  /** Repairs tunnels, directions and rules; returns a line for each repair. */
  repair(links: Links): string[] {
    const { underlay } = this;
    if (!underlay) return [];
    const repairs: string[] = [];
    for (const record of this.list()) {
      const { name } = record.config;
      const pass = this.#pass(record, links, underlay);
      if (driverOf(record).ensure(record, pass)) repairs.push(`network ${name}: tunnel`);
      const entries = driverOf(record).sync(record, pass);
      if (entries > 0) repairs.push(`network ${name}: ${entries} entries for other hosts`);
    }
    if (this.list().some(isSwitched)) this.switches.passes.soon(true);
    if (this.list().some(isEncrypted)) this.wireguard.passes.soon(true);
    if (this.wireguard.passes.takeRepairs() > 0) repairs.push("WireGuard of encrypted networks");
    const changes = this.switches.passes.takeRepairs();
    if (changes > 0) repairs.push(`${changes} commands to Open vSwitch`);
    if (this.#guard.repair()) repairs.push("nftables rules of overlay networks");
    return repairs;
  }
}

/** The MTU inside WireGuard. Throws BAD_MEMBER. */
const encryptedMtu = (address: string): number =>
  underlayMtu(address) - WIREGUARD_OVERHEAD[versionOf(address) ?? 4];

/** Routes to IPv6 subnets need gateways with IPv6 addresses. Throws BAD_MEMBER. */
function requireIpv6({ config }: NetworkRecord, address: string): void {
  if (versionOf(address) === 6 || otherAddressOf(address) !== undefined) return;
  throw new BayError(
    "BAD_MEMBER",
    `network ${config.name}: routes for IPv6 need an IPv6 address of this host on the link with the address ${address}`,
    { hint: "give that link an IPv6 address on each host, or remove enable_ipv6 from the network" },
  );
}

/** An address of the other IP version on the link that has an address; link-local addresses are valid only with a link. */
function otherAddressOf(address: string): string | undefined {
  return withLinks((links) => {
    const all = links.addresses();
    const index = all.find((entry) => entry.address === address)?.linkIndex;
    return all.find(
      (entry) =>
        entry.linkIndex === index &&
        versionOf(entry.address) !== versionOf(address) &&
        !entry.address.startsWith("fe80:"),
    )?.address;
  });
}

/** The MTU of the link that has this host's underlay address. Throws BAD_MEMBER. */
function underlayMtu(address: string): number {
  return withLinks((links) => {
    const index = links.addresses().find((entry) => entry.address === address)?.linkIndex;
    const link = links.list().find((each) => each.index === index);
    if (link) return link.mtu;
    throw new BayError("BAD_MEMBER", `no link of this host has the address ${address}, which its peers use`, {
      hint: "correct it with bay host move NAME ADDRESS",
    });
  });
}
