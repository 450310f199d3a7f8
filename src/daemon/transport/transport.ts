/** How the command reaches a bayd: the unix socket, TCP with TLS, or ssh(1). */
import type { Agent } from "node:http";
import type { Duplex } from "node:stream";

export interface Transport {
  /** The address as messages show it. */
  readonly address: string;
  /** True if files of this computer are not those of bayd's host. */
  readonly isRemote: boolean;
  /** The options of http.request(3) that choose the connection. */
  readonly route: { socketPath: string; agent: false; servername: "" } | { agent: Agent; host: string };
  /** A connection of its own, whose two directions close independently. */
  connect(): Promise<Duplex>;
  /** The error for the user, for an error of a connection. */
  explain(cause: unknown): unknown;
}
