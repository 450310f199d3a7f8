/** The published ports of containers: bound before a start, released after the end, and moved between containers. */
import { messageOf } from "../../core/errors.ts";
import { fixedPort, type HostPort, portsOverlap } from "../../core/published-ports.ts";
import { type PublishedPort, portKey } from "../../network/index.ts";
import type { ContainerConfig } from "../model/config.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";
import { isRunning, type Records } from "../model/records.ts";

type BoundPorts = ContainerRecord["state"]["boundPorts"];

export class ContainerPorts {
  constructor(
    readonly host: Pick<Host, "networks">,
    readonly records: Records,
  ) {}

  /** Published ports of all running containers. */
  list(): PublishedPort[] {
    const all = this.records
      .list()
      .filter(isRunning)
      .flatMap((record) => portsOf(record));
    // nft refuses two rules for one port, and all others with them
    return [...new Map(all.map((port) => [portKey(port), port])).values()];
  }

  /** Published ports of running containers that another program bound while bayd did not run. */
  lost(): PublishedPort[] {
    return this.list().filter((port) => !this.host.networks.ports.holds(port));
  }

  /** Binds the container's published ports, and chooses free ones if the config does not name them. Throws PORT_TAKEN. */
  async hold(record: ContainerRecord): Promise<void> {
    const { config, state } = record;
    const { ports } = this.host.networks;
    const target = record.endpoints[0]?.address;
    const previous = state.boundPorts;
    state.boundPorts = [];
    // a container that will replace another one gets its ports later
    if (config.networkMode !== "bridge" || !target || record.role) return;
    try {
      for (const port of config.ports) state.boundPorts.push(await this.holdOne(record, port, previous));
    } catch (error) {
      ports.releaseOf(config.name);
      state.boundPorts = previous;
      throw error;
    }
  }

  /** Binds one published port, or a free one if none is named. Throws PORT_TAKEN. */
  async holdOne(
    { config, endpoints }: ContainerRecord,
    port: ContainerConfig["ports"][number],
    previous: BoundPorts = [],
  ): Promise<BoundPorts[number]> {
    const { hostAddress, hostPort, hostPortEnd, containerPort, protocol } = port;
    const target = endpoints[0]!.address;
    const wanted = { hostAddress, containerPort, protocol, target, container: config.name };
    const fixed = fixedPort(port);
    const bound = fixed
      ? { ...wanted, ...fixed }
      : await this.#holdAgain(wanted, previous, [hostPort, hostPortEnd]);
    if (fixed) await this.host.networks.ports.hold(bound);
    return { hostAddress, hostPort: bound.hostPort, containerPort, protocol };
  }

  /** Chooses a free port of a range, preferably the one that the container had before. */
  async #holdAgain(
    wanted: Omit<PublishedPort, "hostPort">,
    previous: BoundPorts,
    [first = 0, last = 65535]: [first?: number | undefined, last?: number | undefined],
  ): Promise<PublishedPort> {
    const { ports } = this.host.networks;
    const before = previous.find(
      (port) =>
        port.containerPort === wanted.containerPort &&
        port.protocol === wanted.protocol &&
        port.hostAddress === wanted.hostAddress &&
        port.hostPort >= first &&
        port.hostPort <= last,
    );
    const holdOther = () => (first === 0 ? ports.holdAny(wanted) : ports.holdOneOf(wanted, first, last));
    if (!before) return holdOther();
    const again = { ...wanted, hostPort: before.hostPort };
    try {
      await ports.hold(again);
      return again;
    } catch {
      return holdOther();
    }
  }

  /** Binds the ports of a container that an earlier bayd started. Calls `failed` for each that another program uses. */
  async adopt(record: ContainerRecord, failed: (message: string) => void): Promise<void> {
    for (const port of portsOf(record))
      await this.host.networks.ports.hold(port).catch((error) => failed(messageOf(error)));
  }

  /** Binds lost ports that are free again, and returns them. */
  async retake(): Promise<PublishedPort[]> {
    const taken: PublishedPort[] = [];
    for (const port of this.lost()) {
      const isTaken = await this.host.networks.ports.hold(port).then(
        () => true,
        () => false, // another program still uses it
      );
      if (isTaken) taken.push(port);
    }
    return taken;
  }

  /** Releases published ports that another container of the plan needs. */
  async release(record: ContainerRecord, given: readonly HostPort[]): Promise<void> {
    const isGiven = (port: HostPort) => given.some((other) => portsOverlap(other, port));
    for (const port of portsOf(record).filter(isGiven)) this.host.networks.ports.release(port);
    record.state.boundPorts = record.state.boundPorts.filter((port) => !isGiven(port));
    this.records.save(record);
    await this.host.networks.firewall.sync();
  }

  /** Binds the ports again after a failed change. A port that another program bound meanwhile is lost. */
  async restore(record: ContainerRecord): Promise<void> {
    const { ports, firewall } = this.host.networks;
    await this.hold(record).catch(() => {});
    const { state, config } = record;
    state.boundPorts = state.boundPorts.filter((port) => ports.holds({ ...port, container: config.name }));
    this.records.save(record);
    await firewall.sync();
  }
}

/** Published ports of one container; the targets are its first address of each IP version. */
export function portsOf(record: ContainerRecord): PublishedPort[] {
  const target = record.endpoints[0]?.address;
  if (!target) return [];
  const target6 = record.endpoints.find(({ address6 }) => address6 !== undefined)?.address6;
  const container = record.config.name;
  return record.state.boundPorts.map((port) => ({ ...port, target, target6, container }));
}
