/** Capabilities (capabilities(7)): Docker's default set, and what a container gets. */
import { readFileSync } from "node:fs";
import { CAPABILITIES, capabilityName } from "../core/capabilities.ts";
import { BayError } from "../core/errors.ts";

export const DEFAULT_CAPABILITIES: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

let last: number | undefined;
/** The highest capability that the running kernel knows. */
export function lastCapability(): number {
  last ??= Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8"));
  return last;
}

let permitted: bigint | undefined;
/** The capabilities of this process, which cannot grant others (bayd may run in a container). */
function ownCapabilities(): bigint {
  permitted ??= BigInt(
    `0x${/^CapPrm:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0"}`,
  );
  return permitted;
}

/** The number of a capability, written with or without `CAP_`, in any case. Throws UNKNOWN_CAPABILITY. */
export function capabilityNumber(name: string): number {
  const number = (CAPABILITIES as readonly string[]).indexOf(capabilityName(name) ?? "");
  if (number === -1) throw new BayError("UNKNOWN_CAPABILITY", `unknown capability ${name}`);
  return number;
}

/** A set of capabilities as the kernel's 64-bit mask; those that this kernel lacks are left out. */
export function capabilityMask(names: readonly string[]): bigint {
  let mask = 0n;
  for (const name of names) {
    const number = capabilityNumber(name);
    if (number <= lastCapability()) mask |= 1n << BigInt(number);
  }
  return mask;
}

/**
 * Applies cap_add and cap_drop as Docker does: `ALL` in either, drops after adds, and adds win over `drop: ALL`. Returns full
 * names, in the kernel's order. Throws UNKNOWN_CAPABILITY, and CAPABILITY for one that bayd does not have.
 */
export function resolveCapabilities(add: readonly string[], drop: readonly string[]): string[] {
  const own = ownCapabilities();
  const known = CAPABILITIES.filter((_, number) => (own >> BigInt(number)) & 1n);
  const isAll = (name: string) => name.toUpperCase() === "ALL";
  const full = (names: readonly string[]) =>
    names.filter((name) => !isAll(name)).map((name) => CAPABILITIES[capabilityNumber(name)]!);
  const set = new Set<string>(drop.some(isAll) ? [] : add.some(isAll) ? known : DEFAULT_CAPABILITIES);
  for (const name of full(add)) {
    if (!(known as readonly string[]).includes(name))
      throw new BayError("CAPABILITY", `bayd itself does not have ${name}, so it cannot add it`);
    set.add(name);
  }
  for (const name of full(drop)) set.delete(name);
  return known.filter((name) => set.has(name));
}
