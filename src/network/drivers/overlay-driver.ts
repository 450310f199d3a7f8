/** What each encapsulation of overlay networks does. The functions act in the host's network namespace. */
import type { Version } from "../../core/ip.ts";
import type { Links } from "../../linux/index.ts";
import type { Endpoint, NetworkRecord } from "../model/network.ts";
import type { Underlay } from "../overlay/underlay.ts";

/** What one pass over the overlay networks works with. */
export interface OverlayPass {
  /** The short hash of this bay's root, which distinguishes it from others on the same host. */
  tag: string;
  underlay: Underlay;
  links: Links;
  /** The endpoints of this host's containers. */
  own(): readonly Endpoint[];
}

export interface OverlayDriver {
  /** Bytes of the outer headers that count towards the underlay's MTU, for members with addresses of this IP version. */
  readonly overhead: Readonly<Record<Version, number>>;
  /** Creates what the network needs beside its bridge; returns true if something was missing. Idempotent. */
  ensure(network: NetworkRecord, pass: OverlayPass): boolean;
  /** Makes the kernel's entries equal to those that follow from members and endpoints; returns how many differed. */
  sync(network: NetworkRecord, pass: OverlayPass): number;
  /** Removes what `ensure` and `sync` created. Ignores what does not exist. */
  remove(network: NetworkRecord, pass: Pick<OverlayPass, "tag" | "links">): void;
}
