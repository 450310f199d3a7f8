/** Bounds for TCP clients that have not shown a certificate yet: they cannot use up the connections, or the time, of bayd. */

import { isIP, type Socket } from "node:net";
import { LIMITS } from "../../core/limits.ts";

export const PENDING_LIMITS: { [K in keyof typeof LIMITS.pendingClients]: number } = LIMITS.pendingClients;

/** One address, or one network of 64 bits, which a single IPv6 host has. */
function sourceOf(address: string): string {
  if (isIP(address) !== 6 || address.startsWith("::ffff:")) return address;
  const [head = "", tail] = address.split("::");
  const groups = head.split(":").filter(Boolean);
  const rest = tail === undefined ? [] : tail.split(":").filter(Boolean);
  const zeros = Array.from({ length: Math.max(0, 8 - groups.length - rest.length) }, () => "0");
  return [...groups, ...(tail === undefined ? [] : zeros), ...rest].slice(0, 4).join(":");
}

export class PendingClients {
  /** In the order of their arrival. */
  readonly #pending = new Map<Socket, string>();
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  /** `now` gives milliseconds. */
  constructor(
    readonly limits: typeof PENDING_LIMITS = PENDING_LIMITS,
    readonly now: () => number = Date.now,
  ) {}

  get size(): number {
    return this.#pending.size;
  }

  /** Counts a new connection until it is released or closed. Closes it, or an older one, if there are too many. */
  add(socket: Socket): void {
    const source = sourceOf(socket.remoteAddress ?? "");
    if (!this.#takesToken(source)) return void socket.destroy();
    this.#pending.set(socket, source);
    socket.once("close", () => this.#pending.delete(socket));
    const own = [...this.#pending].filter(([, other]) => other === source);
    // the oldest has waited longest without a handshake
    if (own.length > this.limits.ofAddress) own[0]![0].destroy();
    else if (this.#pending.size > this.limits.all) this.#pending.keys().next().value?.destroy();
  }

  release(socket: Socket): void {
    this.#pending.delete(socket);
  }

  #takesToken(source: string): boolean {
    const { rate, burst, remembered } = this.limits;
    const now = this.now();
    const last = this.#buckets.get(source) ?? { tokens: burst, at: now };
    const tokens = Math.min(burst, last.tokens + ((now - last.at) / 1000) * rate);
    this.#buckets.delete(source); // the order of the map is that of the last use
    this.#buckets.set(source, { tokens: Math.max(0, tokens - 1), at: now });
    if (this.#buckets.size > remembered) this.#buckets.delete(this.#buckets.keys().next().value!);
    return tokens >= 1;
  }
}
