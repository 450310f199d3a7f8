/** The transport over bayd's unix socket. */
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { BayError, hasCode } from "../../core/errors.ts";
import type { Transport } from "./transport.ts";

export class UnixTransport implements Transport {
  readonly isRemote = false;
  readonly #route;

  /** `isOwn`: the socket of this command's own roots. If no process listens there, the error is NO_DAEMON, and bayd can be started. */
  constructor(
    readonly path: string,
    readonly isOwn: boolean,
  ) {
    // without a name, Node would test whether the host is an address, with a pattern that takes 1 ms to compile
    this.#route = { socketPath: path, agent: false as const, servername: "" as const };
  }

  routeOf() {
    return this.#route;
  }

  get address(): string {
    return `unix://${this.path}`;
  }

  connect(): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path: this.path, allowHalfOpen: true });
      socket.once("error", (cause) => reject(this.explain(cause)));
      socket.once("connect", () => resolve(socket));
    });
  }

  explain(cause: unknown): unknown {
    if (hasCode(cause, "ECONNREFUSED", "ENOENT"))
      return this.isOwn
        ? new BayError("NO_DAEMON", "bayd is not running", { cause, hint: "bay up starts it" })
        : new BayError("HOST_UNREACHABLE", `no bayd is listening on ${this.address}`, {
            cause,
            hint: "start it with the BAY_RUN of that socket, or correct the address",
          });
    if (hasCode(cause, "EACCES"))
      return new BayError("NO_ACCESS", `no access to ${this.path}`, {
        cause,
        hint: "run the command as root, or as a member of the group of bayd's socket",
      });
    return cause;
  }
}
