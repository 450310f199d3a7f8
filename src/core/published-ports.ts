/** Conflicts between published ports. */

export interface HostPort {
  /** Empty for every address of the host. */
  hostAddress: string;
  hostPort: number;
  protocol: "tcp" | "udp";
}

const isV6 = (address: string) => address.includes(":");

/** Whether two published ports conflict: an unspecified address (0.0.0.0, ::) includes all others. */
export function portsOverlap(a: HostPort, b: HostPort): boolean {
  if (a.hostPort !== b.hostPort || a.protocol !== b.protocol) return false;
  if (a.hostAddress === b.hostAddress || a.hostAddress === "" || b.hostAddress === "") return true;
  if (isV6(a.hostAddress) !== isV6(b.hostAddress)) return false;
  return [a.hostAddress, b.hostAddress].some((address) => address === "0.0.0.0" || address === "::");
}

/** A published port as it was requested: a single port, a range of which one is chosen, or any port. */
interface AskedPort {
  hostAddress: string;
  hostPort?: number | undefined;
  hostPortEnd?: number | undefined;
  protocol: "tcp" | "udp";
}

/** The port that is named; undefined if a free one is chosen. */
export function fixedPort({ hostAddress, hostPort, hostPortEnd, protocol }: AskedPort): HostPort | undefined {
  return hostPort === undefined || hostPortEnd !== undefined
    ? undefined
    : { hostAddress, hostPort, protocol };
}

/** Those of the ports that name a port number. */
export const fixedPorts = (ports: readonly AskedPort[]): HostPort[] =>
  ports.flatMap((port) => fixedPort(port) ?? []);

/** A port of a service that every host of the stack publishes, and forwards to a healthy container on any host. */
export interface IngressPort {
  service: string;
  /** Empty for all addresses of the host. */
  hostAddress: string;
  hostPort: number;
  containerPort: number;
  protocol: "tcp" | "udp";
  /**
   * The service's overlay networks, over which other hosts reach its containers: their keys in a stack, and their names in a
   * record of this host.
   */
  networks: readonly string[];
}
