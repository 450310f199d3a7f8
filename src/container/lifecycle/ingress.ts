/**
 * Ports that this host has for services of stacks on several hosts, and passes on to a healthy container of the service: to those
 * of this host, which see the client's address, or else to those of other hosts, over an overlay network.
 */
import { messageOf } from "../../core/errors.ts";
import type { IngressPort } from "../../core/published-ports.ts";
import type { BalancedPort, PublishedPort } from "../../network/index.ts";
import { LABELS } from "../model/config.ts";
import type { Host } from "../model/host.ts";
import type { RemoteNames } from "../model/names.ts";
import type { ContainerRecord } from "../model/record.ts";
import { isRunning } from "../model/records.ts";

const KEY = "ingress/";

interface IngressRecord {
  stack: string;
  ports: IngressPort[];
}

interface Target {
  address: string;
  address6?: string | undefined;
  isHealthy: boolean;
}

export class Ingress {
  #ports: readonly BalancedPort[] | undefined;

  constructor(
    readonly host: Pick<Host, "store" | "networks" | "records" | "sessions">,
    readonly remote: () => readonly RemoteNames[],
    readonly warn: (text: string) => void,
  ) {}

  /** All ports with their targets, as of the last change. */
  list(): readonly BalancedPort[] {
    this.#ports ??= this.#records().flatMap((record) =>
      record.ports.map((port) => this.#withTargets(record.stack, port)),
    );
    return this.#ports;
  }

  #records(): IngressRecord[] {
    return this.host.store.list<IngressRecord>(KEY);
  }

  /** Ports of a stack on this host. */
  of(stack: string): readonly IngressPort[] {
    return this.host.store.get<IngressRecord>(KEY + stack)?.ports ?? [];
  }

  #withTargets(stack: string, { service, networks, ...port }: IngressPort): BalancedPort {
    const local = this.#local(stack, service);
    const [heard, silent] = this.#others(stack, service, networks);
    const healthy = (targets: readonly Target[]) => targets.filter(({ isHealthy }) => isHealthy);
    const chosen =
      [healthy(local), healthy(heard), local, heard, silent].find((targets) => targets.length > 0) ?? [];
    return {
      ...port,
      targets: chosen.map(({ address }) => address).sort(),
      targets6: chosen.flatMap(({ address6 }) => address6 ?? []).sort(),
      owner: `the service ${service} of the stack ${stack}`,
    };
  }

  #local(stack: string, service: string): Target[] {
    return this.host.records
      .list()
      .filter((record) => isRunning(record) && !record.role && isOf(record, stack, service))
      .flatMap((record) => {
        const [first] = record.endpoints;
        const address6 = record.endpoints.find((each) => each.address6 !== undefined)?.address6;
        const health = record.config.health
          ? (this.host.sessions.health(record.id)?.status ?? "starting")
          : "none";
        return first ? [{ address: first.address, address6, isHealthy: isHealthy(health) }] : [];
      });
  }

  /** Containers of hosts that are heard, and of those that are not. */
  #others(stack: string, service: string, networks: readonly string[]): [Target[], Target[]] {
    const result: [Target[], Target[]] = [[], []];
    for (const container of this.remote()) {
      if (container.stack !== stack || container.service !== service) continue;
      const endpoint = container.endpoints.find(({ network }) => networks.includes(network));
      if (!endpoint) continue;
      const { address, address6 } = endpoint;
      result[container.isSilent ? 1 : 0].push({ address, address6, isHealthy: isHealthy(container.health) });
    }
    return result;
  }

  /** Makes the ports of a stack exactly these. Throws PORT_TAKEN; the other ports are published then. */
  async set(stack: string, ports: readonly IngressPort[]): Promise<void> {
    this.#release(stack, ports);
    if (ports.length > 0) this.host.store.put(KEY + stack, { stack, ports: [...ports] });
    await this.#apply(true);
  }

  /** Releases ports that a stack does not publish in this way any more, before its containers get them. */
  async keepOnly(stack: string, ports: readonly IngressPort[]): Promise<void> {
    const left = this.of(stack).filter((port) => ports.some((other) => keyOf(other) === keyOf(port)));
    if (left.length === this.of(stack).length) return;
    this.#release(stack, left);
    if (left.length > 0) this.host.store.put(KEY + stack, { stack, ports: left });
    await this.#apply(false);
  }

  #release(stack: string, kept: readonly IngressPort[]): void {
    const keys = new Set(kept.map(keyOf));
    for (const port of this.of(stack)) if (!keys.has(keyOf(port))) this.host.networks.ports.release(port);
    if (kept.length === 0 && this.host.store.get(KEY + stack)) this.host.store.delete(KEY + stack);
  }

  /** Opens the ports of an earlier bayd. */
  async adopt(): Promise<void> {
    for (const port of this.list())
      await this.host.networks.ports.hold(held(port)).catch((error) => this.warn(messageOf(error)));
  }

  async #apply(isStrict: boolean): Promise<void> {
    this.#ports = undefined;
    const failures: unknown[] = [];
    for (const port of this.list()) {
      const { ports } = this.host.networks;
      await ports.hold(held(port)).then(
        () => ports.handOver(held(port)),
        (error: unknown) => failures.push(error),
      );
    }
    await this.host.networks.firewall.sync();
    if (isStrict && failures.length > 0) throw failures[0];
  }

  /** A container or a host changed: passes on to those that are healthy now. */
  changed(): void {
    if (this.#records().length === 0) return;
    const before = JSON.stringify(this.#ports);
    this.#ports = undefined;
    if (JSON.stringify(this.list()) === before) return;
    for (const port of this.list()) this.host.networks.ports.handOver(held(port));
    this.host.networks.firewall.sync().catch((error: unknown) => this.warn(messageOf(error)));
  }
}

const keyOf = ({
  hostAddress,
  hostPort,
  protocol,
}: Pick<IngressPort, "hostAddress" | "hostPort" | "protocol">) => `${hostAddress} ${hostPort} ${protocol}`;

/** bayd's own socket accepts what the rules do not forward, such as connections to [::1]. */
const held = ({ owner, targets, targets6: _, ...port }: BalancedPort): PublishedPort => ({
  ...port,
  target: targets[0] ?? "127.0.0.1",
  container: owner,
});

const isHealthy = (health: string) => health === "healthy" || health === "none";

const isOf = ({ config: { labels } }: ContainerRecord, stack: string, service: string) =>
  labels[LABELS.stack] === stack && labels[LABELS.service] === service && labels[LABELS.oneOff] !== "True";
