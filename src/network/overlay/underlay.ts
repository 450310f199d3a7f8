/** What overlay networks need to know of the other hosts. The room of hosts gives it; without a cluster there is none. */

export interface UnderlayHost {
  name: string;
  /** The number of its slice in each overlay's subnet. */
  slot: number;
  /** The address to which the other hosts send tunnel packets. */
  address: string;
  /** An address of the other IP version on the same link, if it has told one. */
  otherAddress?: string | undefined;
  /** Its public key for WireGuard in base64, if it has told one. */
  wireguardKey?: string | undefined;
}

/** A container's connection to an overlay network on another host. */
export interface RemoteEndpoint {
  /** The network's name. */
  network: string;
  address: string;
  address6?: string | undefined;
  mac: string;
  /** The slot of its host. */
  slot: number;
}

export interface Underlay {
  self: UnderlayHost;
  peers(): readonly UnderlayHost[];
  endpoints(): readonly RemoteEndpoint[];
}
