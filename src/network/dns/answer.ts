/** Answers one DNS question with the names that bay knows. Pure: the lookups are passed in. */

import { isIPv6 } from "node:net";
import { canonicalAddress, packAddress, versionOf } from "../../core/ip.ts";
import { LIMITS } from "../../core/limits.ts";
import { encodeName, type Question, RCODES, replyTo, TYPES } from "./message.ts";

/** Names that one container can resolve. */
export interface NameView {
  /**
   * IPv4 and IPv6 addresses of a name; empty if the name is bay's but no container has it now; undefined if it is not bay's.
   */
  addresses(name: string): string[] | undefined;
  /** The name of an address on one of the container's networks. */
  nameOf(address: string): string | undefined;
}

/** Seconds for which an answer may be cached. */
export const DNS_TTL_SECONDS = 2;
/** The most addresses in one answer; a message has 64 KiB at most, and no client needs more. */
const MAX_ADDRESSES = LIMITS.dns.addresses;

/** Returns the reply, or undefined if the question is not about bay's names and must be sent to the upstream servers. */
export function answerQuestion(question: Question, view: NameView, rotate: () => number): Buffer | undefined {
  if (!question.isInternet) return undefined;
  const { name, type } = question;
  const reversed = type === TYPES.PTR ? reversedAddress(name) : undefined;
  if (reversed !== undefined) {
    const known = view.nameOf(reversed);
    return known === undefined ? undefined : own(question, [{ type, data: encodeName(known) }]);
  }
  const addresses = view.addresses(name);
  if (addresses === undefined) return undefined;
  if (addresses.length === 0) return replyTo(question, { rcode: RCODES.NXDOMAIN, authoritative: true });
  const version = type === TYPES.A ? 4 : type === TYPES.AAAA ? 6 : undefined;
  const found = addresses.filter((address) => versionOf(address) === version);
  const start = found.length > 0 ? rotate() % found.length : 0;
  const rotated = [...found.slice(start), ...found.slice(0, start)].slice(0, MAX_ADDRESSES);
  // no addresses: the name exists and has no such record
  return own(
    question,
    rotated.map((address) => ({ type, data: packAddress(address) })),
  );
}

function own(question: Question, records: { type: number; data: Buffer }[]): Buffer {
  const answers = records.map((record) => ({ ...record, ttl: DNS_TTL_SECONDS }));
  return replyTo(question, { authoritative: true, answers });
}

/** Returns the address of a reverse mapping name (RFC 1035, 3.5; RFC 3596, 2.5). */
function reversedAddress(name: string): string | undefined {
  const { version, parts } = /^(?<parts>.*)\.(?<version>in-addr|ip6)\.arpa$/.exec(name)?.groups ?? {};
  const reversed = parts?.split(".").reverse();
  if (version === "in-addr") return reversed?.join(".");
  const text = reversed?.join("").replace(/.{4}(?!$)/g, "$&:");
  return text && isIPv6(text) ? canonicalAddress(text) : undefined;
}
