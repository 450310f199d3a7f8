/** How the command reaches a bayd: the unix socket, TCP with TLS, or ssh(1). */
import type { Agent } from "node:http";
import type { Duplex } from "node:stream";

/** A short request is answered at once; a long one follows, waits or transfers. */
export type RequestKind = "short" | "long";

export interface Transport {
  /** The address as messages show it. */
  readonly address: string;
  /** True if files of this computer are not those of bayd's host. */
  readonly isRemote: boolean;
  /** The options of http.request that choose the connection. A request that may take long never makes a short one wait. */
  routeOf(
    kind: RequestKind,
  ): { socketPath: string; agent: false; servername: "" } | { agent: Agent; host: string };
  /** A connection of its own, whose two directions close independently. */
  connect(): Promise<Duplex>;
  /** The error for the user, for an error of a connection. */
  explain(cause: unknown): unknown;
}
