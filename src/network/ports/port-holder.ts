/**
 * bayd's own sockets on published ports. The rules forward the traffic; the socket prevents other programs from binding the
 * port, even while bayd does not run, and handles what rules cannot: connections over IPv6 (also to [::1]).
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { BayError, hasCode } from "../../core/errors.ts";
import { portsOverlap } from "../../core/published-ports.ts";
import { bindSocket } from "../../linux/index.ts";
import type { PublishedPort } from "../model/network.ts";
import { bindDatagrams } from "./datagram-proxy.ts";
import type { KeptSockets } from "./kept-sockets.ts";

export const portKey = (port: Pick<PublishedPort, "hostAddress" | "hostPort" | "protocol">) =>
  `${port.hostAddress || "*"}:${port.hostPort}/${port.protocol}`;

const TRIES = 20;
const BETWEEN_TRIES = 25;

/** An open port. */
export interface Holder {
  close(): void;
}

export class PortHolder {
  readonly #held = new Map<string, { close(): void; port: PublishedPort }>();

  constructor(readonly kept: KeptSockets) {}

  /** Binds a free port of the dynamic range, for a container port without a host port. */
  async holdAny(port: Omit<PublishedPort, "hostPort">): Promise<PublishedPort> {
    for (let attempt = 0; attempt < 100; attempt++) {
      const hostPort = 32768 + Math.floor(Math.random() * 28000);
      if (this.#held.has(portKey({ ...port, hostPort }))) continue;
      try {
        await this.hold({ ...port, hostPort });
        return { ...port, hostPort };
      } catch (error) {
        if (!hasCode(error, "PORT_TAKEN")) throw error;
      }
    }
    throw new BayError("PORT_TAKEN", "no free port was found between 32768 and 60767");
  }

  /** Binds the first free port from `first` to `last`. Throws PORT_TAKEN. */
  async holdOneOf(
    port: Omit<PublishedPort, "hostPort">,
    first: number,
    last: number,
  ): Promise<PublishedPort> {
    for (let hostPort = first; hostPort <= last; hostPort++) {
      try {
        if (this.#held.has(portKey({ ...port, hostPort }))) continue;
        await this.hold({ ...port, hostPort });
        return { ...port, hostPort };
      } catch (error) {
        if (!hasCode(error, "PORT_TAKEN")) throw error;
      }
    }
    throw new BayError("PORT_TAKEN", `all ports from ${first} to ${last} are taken`, {
      hint: "publish a larger range",
    });
  }

  /** Returns false if another program bound it while bayd did not run. */
  holds(port: Pick<PublishedPort, "hostAddress" | "hostPort" | "protocol" | "container">): boolean {
    return this.#held.get(portKey(port))?.port.container === port.container;
  }

  /** Binds a port. Throws PORT_TAKEN, naming the owner. */
  async hold(port: PublishedPort): Promise<void> {
    const key = portKey(port);
    const known = this.#held.get(key);
    if (known?.port.container === port.container) {
      known.port = port;
      return;
    }
    const other = [...this.#held.values()].find(({ port: held }) => portsOverlap(held, port));
    if (other)
      throw new BayError(
        "PORT_TAKEN",
        `port ${describe(port)} is taken by the container ${other.port.container}${other.port.hostAddress === port.hostAddress ? "" : `, which publishes ${describe(other.port)}`}`,
      );
    const target = () => this.#held.get(key)?.port ?? port;
    try {
      const holder = await this.#open(port, target);
      this.#held.set(key, { close: () => holder.close(), port });
    } catch (cause) {
      if (!hasCode(cause, "EADDRINUSE")) {
        throw new BayError("PORT_FAILED", `port ${describe(port)} cannot be opened`, { cause });
      }
      const owner = portOwner(port.hostPort, port.protocol);
      throw new BayError("PORT_TAKEN", `port ${describe(port)} is taken by ${owner ?? "another program"}`, {
        hint: "stop it, or publish another port",
      });
    }
  }

  /** Opens a port. One that was released a moment ago may still be closing: then it has no owner, and is free soon. */
  async #open(port: PublishedPort, target: () => PublishedPort): Promise<Holder> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await (port.protocol === "tcp" ? listen : bindDatagrams)(port, target, this.kept);
      } catch (error) {
        if (!hasCode(error, "EADDRINUSE") || attempt > TRIES) throw error;
        if (!this.kept.letGo() && portOwner(port.hostPort, port.protocol) !== undefined) throw error;
      }
      await sleep(BETWEEN_TRIES);
    }
  }

  /** Gives a bound port to another container, which gets its traffic from then on. */
  handOver(port: PublishedPort): void {
    const held = this.#held.get(portKey(port));
    if (held) held.port = port;
  }

  release(port: Pick<PublishedPort, "hostAddress" | "hostPort" | "protocol">): void {
    const key = portKey(port);
    this.#held.get(key)?.close();
    this.#held.delete(key);
  }

  /** Releases the ports of a container, except those in `keep`. */
  releaseOf(container: string, keep: readonly PublishedPort[] = []): void {
    const kept = new Set(keep.map(portKey));
    for (const [key, { port }] of this.#held)
      if (port.container === container && !kept.has(key)) this.release(port);
  }
}

function describe(port: PublishedPort): string {
  return `${port.hostAddress || "0.0.0.0"}:${port.hostPort}/${port.protocol}`;
}

/** Takes over the port's socket from an earlier bayd, or binds it; Node reads from it. */
async function listen(port: PublishedPort, current: () => PublishedPort, kept: KeptSockets): Promise<Holder> {
  const name = portKey(port);
  const fd = kept.take(name) ?? bindTcp(port);
  return new Promise((resolve, reject) => {
    const server = createServer({ pauseOnConnect: false }, (client) => {
      const { containerPort, target } = current();
      const upstream = connect(containerPort, target);
      client.on("error", () => upstream.destroy());
      upstream.on("error", () => client.destroy());
      client.pipe(upstream).pipe(client);
    });
    server.once("error", reject);
    server.once("listening", () => {
      kept.keep(name, fd);
      resolve({
        close: () => {
          kept.drop(name);
          server.close();
        },
      });
    });
    server.listen({ fd });
  });
}

function bindTcp({ hostAddress, hostPort }: PublishedPort): number {
  try {
    return bindSocket("tcp", hostAddress || "::", hostPort).fd;
  } catch (error) {
    // the host has no IPv6
    if (hostAddress || !hasCode(error, "EAFNOSUPPORT", "EADDRNOTAVAIL")) throw error;
    return bindSocket("tcp", "0.0.0.0", hostPort).fd;
  }
}

/** The program that has a port open, found by its socket's inode: `nginx (pid 812)`. */
export function portOwner(port: number, protocol: "tcp" | "udp"): string | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const inodes = new Set<string>();
  for (const file of [protocol, `${protocol}6`]) {
    for (const line of readText(`/proc/net/${file}`).split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      const isOpen = protocol === "udp" || fields[3] === "0A";
      if (isOpen && fields[1]?.endsWith(`:${hex}`)) inodes.add(`socket:[${fields[9]}]`);
    }
  }
  if (inodes.size === 0) return undefined;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    let fds: string[];
    try {
      fds = readdirSync(`/proc/${pid}/fd`);
    } catch {
      continue;
    }
    for (const fd of fds) {
      try {
        if (inodes.has(readlinkSync(`/proc/${pid}/fd/${fd}`))) return `${programName(pid)} (pid ${pid})`;
      } catch {
        // closed meanwhile
      }
    }
  }
  return undefined;
}

function programName(pid: string): string {
  const line = readText(`/proc/${pid}/cmdline`);
  const isBayd = /\0daemon\0run\0/.test(line) || line.startsWith("bay-ports\0");
  return isBayd ? "another bayd" : readText(`/proc/${pid}/comm`).trim();
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
