/** Where bayd listens for webhooks: stored settings, and the listener that follows them. */

import { readFileSync, statSync } from "node:fs";
import { z } from "zod";
import { BayError, messageOf } from "../../core/errors.ts";
import { isLoopback } from "../../core/host-address.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Store } from "../../store/index.ts";
import type { HookListener, ListenerOptions } from "./listener.ts";

const KEY = "gitops/listener";
const MAX_PEM = LIMITS.identity.pem;
/** Milliseconds after which an address that cannot be used is tried again, and certificates are looked at. */
const RETRY = 10_000;

const file = z.string().max(4096).startsWith("/", "expected an absolute path");

export const listenerSettings = z
  .strictObject({
    address: z.string().min(1).max(255),
    port: z.number().int().min(0).max(65_535),
    cert: file.optional(),
    key: file.optional(),
    metrics: z.boolean().default(false),
  })
  .refine(
    ({ cert, key }) => (cert === undefined) === (key === undefined),
    "--cert and --key must be used together",
  )
  .refine(
    ({ address, cert }) => cert !== undefined || isLoopback(address),
    "an address other than loopback needs --cert and --key, or a reverse proxy on this host",
  );

export type ListenerSettings = z.output<typeof listenerSettings>;

export interface ShownListener extends ListenerSettings {
  /** Why bayd does not listen. */
  problem?: string;
}

type Needed = Pick<ListenerOptions, "secretOf" | "onPush" | "log"> & { metrics: () => string };

export class Listening {
  #listener: HookListener | undefined;
  #timer: NodeJS.Timeout | undefined;
  #problem: string | undefined;
  /** The times of change of the certificates that are in use. */
  #changedAt = "";
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    readonly store: Store,
    readonly needed: Needed,
    readonly retryMs = RETRY,
  ) {}

  get settings(): ListenerSettings | undefined {
    return this.store.get<ListenerSettings>(KEY);
  }

  shown(): ShownListener | undefined {
    const { settings } = this;
    if (!settings) return undefined;
    const port = this.#listener?.port ?? settings.port;
    return { ...settings, port, ...(this.#problem === undefined ? {} : { problem: this.#problem }) };
  }

  /** Opens the listener, if one is set. Never throws. */
  start(): void {
    if (this.settings) void this.#inTurn(() => this.#retry());
  }

  /** Throws BAD_CERTIFICATE, GITOPS_LISTEN; the settings before remain then. */
  set(settings: ListenerSettings): Promise<void> {
    return this.#inTurn(async () => {
      const before = this.settings;
      try {
        await this.#open(settings);
      } catch (error) {
        if (before) await this.#retry();
        throw error;
      }
      // a port that was chosen now is kept, because the senders have to know it
      this.store.write([{ key: KEY, value: { ...settings, port: this.#listener!.port } }]);
      await this.store.flush();
      this.#watch();
    });
  }

  remove(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#end();
      this.store.write([{ key: KEY, deleted: true }]);
      await this.store.flush();
    });
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#end());
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(action);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #end(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    const listener = this.#listener;
    this.#listener = undefined;
    await listener?.close();
  }

  async #open(settings: ListenerSettings): Promise<void> {
    const { address, port, metrics } = settings;
    const tls =
      settings.cert === undefined ? undefined : { cert: pem(settings.cert), key: pem(settings.key!) };
    // a certificate that is being written must not end the listener that uses the one before
    if (tls) await checkPair(tls, settings);
    await this.#end();
    const { HookListener } = await import("./listener.ts");
    try {
      const options = { ...this.needed, metrics: metrics ? this.needed.metrics : undefined };
      const listener = new HookListener({ ...options, address, port, tls });
      await listener.listen();
      this.#listener = listener;
    } catch (cause) {
      throw new BayError("GITOPS_LISTEN", `cannot listen on ${address}:${port}: ${messageOf(cause)}`, {
        cause,
      });
    }
    this.#changedAt = changesOf(settings);
    this.#problem = undefined;
  }

  async #retry(): Promise<void> {
    const { settings } = this;
    if (!settings) return;
    try {
      await this.#open(settings);
    } catch (error) {
      const text = messageOf(error);
      if (text !== this.#problem) this.needed.log(`gitops webhooks: ${text}`);
      this.#problem = text;
    }
    this.#watch();
  }

  /** Renewed certificates are used without a restart. */
  #watch(): void {
    this.#timer ??= setInterval(() => {
      const { settings } = this;
      if (settings && (!this.#listener || changesOf(settings) !== this.#changedAt))
        void this.#inTurn(() => this.#retry());
    }, this.retryMs).unref();
  }
}

/** Throws BAD_CERTIFICATE if the key does not belong to the certificate. */
async function checkPair(tls: { cert: string; key: string }, { cert }: ListenerSettings): Promise<void> {
  const { createSecureContext } = await import("node:tls");
  try {
    createSecureContext(tls);
  } catch (cause) {
    throw new BayError("BAD_CERTIFICATE", `${cert} and its key cannot be used: ${messageOf(cause)}`, {
      cause,
    });
  }
}

const changesOf = ({ cert, key }: ListenerSettings): string =>
  [cert, key]
    .map((path) => (path === undefined ? "" : statSync(path, { throwIfNoEntry: false })?.mtimeMs))
    .join();

/** Throws BAD_CERTIFICATE. */
function pem(path: string): string {
  try {
    if (statSync(path).size > MAX_PEM) throw new Error("the file is too large");
    const text = readFileSync(path, "utf8");
    if (text.includes("-----BEGIN ")) return text;
  } catch (cause) {
    throw new BayError("BAD_CERTIFICATE", `${path}: ${messageOf(cause)}`, { cause });
  }
  throw new BayError("BAD_CERTIFICATE", `${path} is not a PEM file`);
}
