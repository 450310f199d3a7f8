/**
 * Replaces a container by another. It can be undone until the old container is removed. The records change in one
 * transaction, so that a kill at any moment leaves one container with the name, and the other with a role by which the next
 * plan removes it.
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

/** The temporary name of a container whose name another container gets, as in docker compose. */
const asideName = (name: string) => `${randomBytes(6).toString("hex")}_${name}`;

export class Replacement {
  constructor(
    readonly host: Host,
    readonly records: Records,
  ) {}

  /**
   * Creates the replacement of a container: service names do not resolve to it yet, and it does not have the published ports
   * yet. Its start creates its files. Throws ADDRESS_TAKEN …
   */
  beside(old: ContainerRecord, config: ContainerConfig, renewVolumes: boolean): ContainerRecord {
    const inherited = renewVolumes ? {} : anonymousVolumesOf(old);
    const aside = { ...config, name: asideName(config.name) };
    const fresh = newRecord(this.host, this.records.list(), aside, inherited);
    this.records.add(Object.assign(fresh, { role: "incoming" as const }));
    return this.#published(fresh);
  }

  /** Creates a container in the place of a stopped one, which gets a temporary name. Its start creates the files. */
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
   * Gives a container the name, the DNS names and the published ports of the old one, which keeps its connections and gets no
   * new ones. Throws PORT_TAKEN without having changed anything.
   */
  async promote(fresh: ContainerRecord, old: ContainerRecord, name: string): Promise<void> {
    const { ports, firewall } = this.host.networks;
    const bound = await this.#portsOf(fresh, old);
    // no other change may come between here and the rules
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
    // other hosts of the cluster, and ports of all hosts, follow
    this.host.emit("changed", fresh.id);
    await firewall.sync();
  }

  /** Undoes a promotion: `name` is the previous name of the old container. */
  async demote(fresh: ContainerRecord, old: ContainerRecord, name: string): Promise<void> {
    await this.promote(old, fresh, name);
    fresh.role = "incoming";
    this.records.save(fresh);
  }

  /** Gives a container its name back after the container that replaced it was removed. */
  restore(old: ContainerRecord, name: string): void {
    old.config.name = name;
    delete old.role;
    this.records.save(old);
    this.host.emit("changed", old.id);
  }

  /** The ports that the container will have: the old one's if it asks for them, and other free ones. */
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

/** Returns whether a bound port satisfies a port of the config. */
function isFor(port: BoundPort, wanted: ContainerConfig["ports"][number]): boolean {
  const { hostAddress, hostPort, hostPortEnd, containerPort, protocol } = wanted;
  if (port.hostAddress !== hostAddress || port.protocol !== protocol) return false;
  // a fixed host port is taken over even if the container port differs
  const fixed = fixedPort(wanted);
  if (fixed) return port.hostPort === fixed.hostPort;
  const first = hostPort ?? 1;
  const last = hostPortEnd ?? 65535;
  return port.containerPort === containerPort && port.hostPort >= first && port.hostPort <= last;
}
