/** The addresses that stack files specify for their services: other containers do not get them dynamically. */
import { canonicalAddress } from "../../core/ip.ts";
import type { Stack } from "../../stack/index.ts";

type ByNetwork = Map<string, Set<string>>;

export class FixedAddresses {
  /** The files that are being applied. They replace the last revisions of their stacks. */
  readonly #applied = new Set<Stack>();
  /** Read from the history once for each change of a stack, and not for each container. */
  #known: ByNetwork | undefined;

  /** `current` returns the last revision of each stack that has containers. */
  constructor(readonly current: () => Stack[]) {}

  /** The addresses on a network, by its name on the host. */
  on(network: string): ReadonlySet<string> {
    this.#known ??= this.#collect();
    return this.#known.get(network) ?? new Set();
  }

  /** Reserves the addresses of all services of a file while it is applied, completely or partly. */
  async during<T>(stack: Stack, action: () => Promise<T>): Promise<T> {
    this.#applied.add(stack);
    this.changed();
    try {
      return await action();
    } finally {
      this.#applied.delete(stack);
      this.changed();
    }
  }

  /** Called when stacks, or revisions of them, were added or removed. */
  changed(): void {
    this.#known = undefined;
  }

  #collect(): ByNetwork {
    const applied = new Set([...this.#applied].map(({ name }) => name));
    const others = this.current().filter(({ name }) => !applied.has(name));
    const found: ByNetwork = new Map();
    for (const stack of [...others, ...this.#applied])
      for (const [network, address] of fixedAddresses(stack)) {
        const known = found.get(network) ?? new Set();
        found.set(network, known.add(address));
      }
    return found;
  }
}

/** Pairs of a network's name on the host and an IPv4 or IPv6 address. */
export function fixedAddresses(stack: Stack): [network: string, address: string][] {
  return Object.values(stack.services).flatMap((service) =>
    Object.entries(service.networks).flatMap(([key, { ipv4, ipv6 }]) => {
      const network = stack.networks[key]?.name;
      const addresses = [ipv4, ipv6].filter((address) => address !== undefined);
      return network === undefined
        ? []
        : addresses.map((address): [string, string] => [network, canonicalAddress(address)]);
    }),
  );
}
