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
