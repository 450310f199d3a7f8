/** When two published ports are in each other's way. */

export interface HostPort {
  /** Empty for every address of the host. */
  hostAddress: string;
  hostPort: number;
  protocol: "tcp" | "udp";
}

const isV6 = (address: string) => address.includes(":");

/** Whether two published ports cannot both be: an address that stands for all of them has each. */
export function portsOverlap(a: HostPort, b: HostPort): boolean {
  if (a.hostPort !== b.hostPort || a.protocol !== b.protocol) return false;
  if (a.hostAddress === b.hostAddress || a.hostAddress === "" || b.hostAddress === "") return true;
  if (isV6(a.hostAddress) !== isV6(b.hostAddress)) return false;
  return [a.hostAddress, b.hostAddress].some((address) => address === "0.0.0.0" || address === "::");
}

/** A published port as it is asked for: one, a range of which one is chosen, or any. */
interface AskedPort {
  hostAddress: string;
  hostPort?: number | undefined;
  hostPortEnd?: number | undefined;
  protocol: "tcp" | "udp";
}

/** The port that is named; undefined where a free one is chosen. */
export function fixedPort({ hostAddress, hostPort, hostPortEnd, protocol }: AskedPort): HostPort | undefined {
  return hostPort === undefined || hostPortEnd !== undefined
    ? undefined
    : { hostAddress, hostPort, protocol };
}

/** Those of some ports that are named. */
export const fixedPorts = (ports: readonly AskedPort[]): HostPort[] =>
  ports.flatMap((port) => fixedPort(port) ?? []);
