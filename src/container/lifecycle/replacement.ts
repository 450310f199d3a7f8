/**
 * One container takes another's place, and either can be taken back until the old one is removed. The records change in
 * one transaction, so that a kill at any moment leaves one container with the name, and the other with a role by which
 * the next plan removes it.
 */
import { randomBytes } from "node:crypto";
import { BayError } from "../../core/errors.ts";
import { fixedPort } from "../../core/published-ports.ts";
import type { PublishedPort } from "../../network/index.ts";
import type { ContainerConfig } from "../model/config.ts";
import type { Host } from "../model/host.ts";
import { anonymousVolumesOf, newRecord } from "../model/new-container.ts";
import type { ContainerRecord } from "../model/record.ts";
import type { Records } from "../model/records.ts";

type BoundPort = ContainerRecord["state"]["boundPorts"][number];

/** The name of a container whose own name another has, as docker compose gives it. */
const asideName = (name: string) => `${randomBytes(6).toString("hex")}_${name}`;

export class Replacement {
  constructor(
    readonly host: Host,
    readonly records: Records,
  ) {}

  /**
   * Creates the replacement of a container: service names do not resolve to it yet, and the published
   * ports are not its own yet. Its start makes its files. Throws ADDRESS_TAKEN …
   */
  beside(old: ContainerRecord, config: ContainerConfig, renewVolumes: boolean): ContainerRecord {
    const inherited = renewVolumes ? {} : anonymousVolumesOf(old);
    const aside = { ...config, name: asideName(config.name) };
    const fresh = newRecord(this.host, this.records.list(), aside, inherited);
    this.records.add(Object.assign(fresh, { role: "incoming" as const }));
    return this.#published(fresh);
  }

  /** Makes a container in the place of one that has stopped, which steps aside. Its start makes its files. */
  instead(old: ContainerRecord, config: ContainerConfig, renewVolumes: boolean): ContainerRecord {
    const inherited = renewVolumes ? {} : anonymousVolumesOf(old);
    const fresh = newRecord(this.host, this.records.list(), config, inherited, old);
    old.config.name = asideName(config.name);
    old.role = "retiring";
    this.records.saveAll([old, fresh]);
    return this.#published(fresh);
  }

  #published(record: ContainerRecord): ContainerRecord {
    this.host.events.ofContainer(record, "create");
    return record;
  }

  /**
   * Gives a container the name, the place in DNS and the published ports of the one before it, which keeps its connections
   * and gets no new ones. Throws PORT_TAKEN, and nothing has changed then.
   */
  async promote(fresh: ContainerRecord, old: ContainerRecord, name: string): Promise<void> {
    const { ports, firewall } = this.host.networks;
    const bound = await this.#portsOf(fresh, old);
    // from here to the rules nothing else comes in between
    const target = fresh.endpoints[0]?.address ?? "";
    const wanted = bound.map((port): PublishedPort => ({ ...port, target, container: name }));
    ports.releaseOf(old.config.name, wanted);
    for (const port of wanted) ports.handOver(port);
    old.config.name = fresh.config.name;
    fresh.config.name = name;
    old.role = "retiring";
    delete fresh.role;
    fresh.state.boundPorts = bound;
    old.state.boundPorts = [];
    this.records.saveAll([old, fresh]);
    await firewall.sync();
  }

  /** Takes a promotion back: `name` is what the old one was called. */
  async demote(fresh: ContainerRecord, old: ContainerRecord, name: string): Promise<void> {
    await this.promote(old, fresh, name);
    fresh.role = "incoming";
    this.records.save(fresh);
  }

  /** Gives a container that stepped aside its name back; the other one has been removed. */
  restore(old: ContainerRecord, name: string): void {
    old.config.name = name;
    delete old.role;
    this.records.save(old);
  }

  /** What the container will have: the old one's ports where it asks for them, and others that are free. */
  async #portsOf(fresh: ContainerRecord, old: ContainerRecord): Promise<BoundPort[]> {
    if (fresh.config.networkMode !== "bridge" || fresh.endpoints.length === 0) return [];
    const left = [...old.state.boundPorts];
    const bound: BoundPort[] = [];
    try {
      for (const wanted of fresh.config.ports) {
        const same = left.findIndex((port) => isFor(port, wanted));
        bound.push(same === -1 ? await this.host.ports.holdOne(fresh, wanted) : left.splice(same, 1)[0]!);
      }
      return bound;
    } catch (error) {
      this.host.networks.ports.releaseOf(fresh.config.name);
      throw error instanceof BayError ? error : new BayError("PORT_FAILED", String(error), { cause: error });
    }
  }
}

/** Whether a bound port is one that a container asks for. */
function isFor(port: BoundPort, wanted: ContainerConfig["ports"][number]): boolean {
  const { hostAddress, hostPort, hostPortEnd, containerPort, protocol } = wanted;
  if (port.hostAddress !== hostAddress || port.protocol !== protocol) return false;
  // a port that is named is taken over also where it leads to another one inside
  const fixed = fixedPort(wanted);
  if (fixed) return port.hostPort === fixed.hostPort;
  const first = hostPort ?? 1;
  const last = hostPortEnd ?? 65535;
  return port.containerPort === containerPort && port.hostPort >= first && port.hostPort <= last;
}
