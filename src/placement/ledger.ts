/** What each host has so far, while containers are placed: counts, reservations, ports and volumes. */
import { fixedPorts, type HostPort, portsOverlap } from "../core/published-ports.ts";
import type { Service } from "../stack/index.ts";

interface Account {
  containers: number;
  byService: Map<string, number>;
  nanoCpus: number;
  memory: number;
  ports: { port: HostPort; service: string }[];
}

/** What one container of a service takes from its host. */
export const reservationOf = ({ placement, resources }: Service) => ({
  nanoCpus: placement?.reservedCpu ?? 0,
  memory: Math.max(0, resources.memoryReservation ?? 0),
});

/** Ports that a container takes on its own host; the ports of all hosts are not among them. */
export const ownPorts = ({ ports }: Service): HostPort[] =>
  fixedPorts(ports.filter(({ mode }) => mode !== "ingress"));

export class Ledger {
  readonly #accounts = new Map<string, Account>();
  /** Hosts by the names of local volumes. */
  readonly #existing = new Map<string, Set<string>>();
  readonly #claims = new Map<string, Map<string, number>>();

  #account(host: string): Account {
    const known = this.#accounts.get(host);
    if (known) return known;
    const account: Account = { containers: 0, byService: new Map(), nanoCpus: 0, memory: 0, ports: [] };
    this.#accounts.set(host, account);
    return account;
  }

  /** Counts a container of the service on the host; `times` -1 takes it away again. */
  add(service: Service, host: string, times: 1 | -1 = 1): void {
    const account = this.#account(host);
    const { nanoCpus, memory } = reservationOf(service);
    account.containers += times;
    account.byService.set(service.name, this.ofService(service.name, host) + times);
    account.nanoCpus += times * nanoCpus;
    account.memory += times * memory;
    for (const port of ownPorts(service)) {
      const at = account.ports.findIndex(
        (own) => own.service === service.name && portsOverlap(own.port, port),
      );
      if (times === 1) account.ports.push({ port, service: service.name });
      else if (at !== -1) account.ports.splice(at, 1);
    }
  }

  /** Containers of the stack on the host. */
  ofStack(host: string): number {
    return this.#account(host).containers;
  }

  ofService(service: string, host: string): number {
    return this.#account(host).byService.get(service) ?? 0;
  }

  reserved(host: string): { nanoCpus: number; memory: number } {
    return this.#account(host);
  }

  /** The service that has one of the ports on the host already. */
  portOwner(ports: readonly HostPort[], host: string): { port: HostPort; service: string } | undefined {
    if (ports.length === 0) return undefined;
    return this.#account(host).ports.find((own) => ports.some((port) => portsOverlap(own.port, port)));
  }

  /** A volume that exists, as observed. */
  noteVolume(name: string, host: string): void {
    this.#existing.set(name, (this.#existing.get(name) ?? new Set()).add(host));
  }

  /** A volume that a container placed on the host has there; `times` -1 takes the container away again. */
  claimVolume(name: string, host: string, times: 1 | -1 = 1): void {
    const claims = this.#claims.get(name) ?? new Map<string, number>();
    this.#claims.set(name, claims.set(host, (claims.get(host) ?? 0) + times));
  }

  /** The hosts that have a volume of this name, or will have it because of the containers placed so far; sorted. */
  volumeHosts(name: string): string[] {
    const existing = this.#existing.get(name);
    if (existing) return [...existing].sort();
    return [...(this.#claims.get(name) ?? [])]
      .filter(([, count]) => count > 0)
      .map(([host]) => host)
      .sort();
  }
}
