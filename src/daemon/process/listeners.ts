/** Where bayd listens beside its own socket, as daemon.json says: opened, renewed and closed when the settings change. */

import { readFileSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { isDeepStrictEqual } from "node:util";
import { BayError, messageOf } from "../../core/errors.ts";
import { formatHostAddress } from "../../core/host-address.ts";
import { LIMITS } from "../../core/limits.ts";
import {
  type ListenSettings,
  NO_LISTENERS,
  plainWarnings,
  type TcpListener,
} from "../../core/listen-settings.ts";
import { listenPlain, listenSocket, type PlainListener } from "../api/listen-plain.ts";
import type { TlsIdentity, TlsListener } from "../api/listen-tls.ts";
import { maxConnections } from "../api/server.ts";

/** Milliseconds after which a listener that could not be opened is tried again: its address may appear later. */
const RETRY_INTERVAL = 10_000;
/** The share of the connections of bayd's own socket that each listener may have, so that it stays usable. */
const SHARE = 4;
const MAX_PEM = LIMITS.identity.pem;

interface Open {
  listener: PlainListener & Partial<Pick<TlsListener, "renew">>;
  /** A change of it needs another listener; a change of certificates does not. */
  isTls: boolean;
}

/** The certificates of a listener, by its address. */
export type Identities = Map<string, TlsIdentity>;

const nameOf = ({ host, port }: TcpListener) => formatHostAddress({ kind: "tcp", host, port });

/** Reads the certificates, before anything is changed. Throws BAD_CERTIFICATE, which names the file. */
export function readIdentities({ tcp }: ListenSettings): Identities {
  return new Map(
    tcp.flatMap((each) => {
      if (!each.tls) return [];
      const { key, cert, ca } = each.tls;
      const identity = {
        key: pem(key, "tlskey"),
        cert: pem(cert, "tlscert"),
        ca: ca === undefined ? undefined : pem(ca, "tlscacert"),
      };
      return [[nameOf(each), identity] as const];
    }),
  );
}

function pem(path: string, key: string): string {
  let text: string;
  try {
    text = readFileSync(path, "latin1");
  } catch (cause) {
    throw new BayError("BAD_CERTIFICATE", `${key}: ${messageOf(cause)}`, { cause });
  }
  if (text.length > MAX_PEM || !text.includes("-----BEGIN "))
    throw new BayError("BAD_CERTIFICATE", `${key}: ${path} is not a PEM file`);
  return text;
}

export class Listeners {
  readonly #open = new Map<string, Open>();
  #settings = NO_LISTENERS;
  #timer: NodeJS.Timeout | undefined;
  #told = "";
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    readonly server: Server,
    readonly group: string | undefined,
    readonly log: (text: string) => void,
  ) {}

  /** Makes the listeners those of the settings. Returns what could not be opened, which is tried again. */
  apply(settings: ListenSettings): Promise<string[]> {
    const turn = this.#turn.then(() => this.#apply(settings));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #apply(settings: ListenSettings): Promise<string[]> {
    if (!isDeepStrictEqual(settings, this.#settings))
      for (const text of plainWarnings(settings)) this.log(`warning: ${text}`);
    this.#settings = settings;
    const problems = await this.#adjust(settings);
    const told = problems.join("; ");
    if (told !== this.#told && told !== "")
      this.log(`cannot listen: ${told}; bayd retries every ${RETRY_INTERVAL / 1000} s`);
    this.#told = told;
    clearTimeout(this.#timer);
    if (problems.length > 0)
      this.#timer = setTimeout(() => void this.apply(this.#settings), RETRY_INTERVAL).unref();
    return problems;
  }

  async #adjust(settings: ListenSettings): Promise<string[]> {
    const wanted = new Map<string, TcpListener | { path: string }>([
      ...settings.sockets.map((path) => [`unix://${path}`, { path }] as const),
      ...settings.tcp.map((each) => [nameOf(each), each] as const),
    ]);
    for (const [name, { isTls, listener }] of this.#open) {
      const next = wanted.get(name);
      if (next && ("path" in next || (next.tls !== undefined) === isTls)) continue;
      this.#open.delete(name);
      await listener.close();
      if (name.startsWith("unix://")) rmSync(name.slice("unix://".length), { force: true });
      this.log(`no longer listens on ${name}`);
    }
    const problems: string[] = [];
    for (const [name, each] of wanted) {
      try {
        await this.#ensure(name, each);
      } catch (error) {
        problems.push(`${name}: ${messageOf(error)}`);
      }
    }
    return problems;
  }

  async #ensure(name: string, each: TcpListener | { path: string }): Promise<void> {
    const limit = Math.max(16, Math.floor(maxConnections() / SHARE));
    const existing = this.#open.get(name);
    const identity = "path" in each ? undefined : readIdentities({ sockets: [], tcp: [each] }).get(name);
    if (existing) {
      if (identity) existing.listener.renew?.(identity);
      return;
    }
    const listener =
      "path" in each
        ? await listenSocket(this.server, { path: each.path, group: this.group, maxConnections: limit })
        : identity
          ? await (await import("../api/listen-tls.ts")).listenTls(this.server, {
              address: each.host,
              port: each.port,
              maxConnections: limit,
              ...identity,
            })
          : await listenPlain(this.server, { host: each.host, port: each.port, maxConnections: limit });
    this.#open.set(name, { listener, isTls: identity !== undefined });
    this.log(
      `listens on ${name}${"path" in each ? "" : identity?.ca ? " with TLS and client certificates" : identity ? " with TLS" : " without TLS"}`,
    );
  }

  /** Removes the socket files; the process ends. */
  removeSockets(): void {
    for (const path of this.#settings.sockets) rmSync(path, { force: true });
  }
}
