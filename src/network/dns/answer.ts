/** Answering one DNS question (RFC 1035) from what bay knows: pure, the lookups are given. */
import { isIPv6 } from "node:net";
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  type DecodedPacket,
  encode,
  type Packet,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
} from "dns-packet";

import { canonicalAddress, versionOf } from "../../ip.ts";

/** Names as one container sees them. */
export interface NameView {
  /** Addresses of a name, of both versions; none where it is bay's but nobody has it now; undefined where it is not one of bay's. */
  addresses(name: string): string[] | undefined;
  /** The name of an address of a network that the container is on. */
  nameOf(address: string): string | undefined;
}

/** How long an answer may be kept. */
export const DNS_TTL_SECONDS = 2;
const SERVFAIL = 2;
const NXDOMAIN = 3;

/** The reply, or undefined where the question is not about bay's names and goes to the upstream servers. */
export function answerQuestion(
  query: DecodedPacket,
  view: NameView,
  rotate: () => number,
): Buffer | undefined {
  const question = query.questions?.[0];
  if (!question || query.questions?.length !== 1) return undefined;
  const name = question.name.toLowerCase().replace(/\.$/, "");
  const reversed = question.type === "PTR" ? reversedAddress(name) : undefined;
  if (reversed !== undefined) {
    const known = view.nameOf(reversed);
    return known === undefined
      ? undefined
      : reply(query, [{ type: "PTR", name: question.name, ttl: DNS_TTL_SECONDS, data: known }]);
  }
  const addresses = view.addresses(name);
  if (addresses === undefined) return undefined;
  if (addresses.length === 0) return reply(query, [], NXDOMAIN);
  const { type } = question;
  const version = type === "A" ? 4 : type === "AAAA" ? 6 : undefined;
  const found = addresses.filter((address) => versionOf(address) === version);
  if (version === undefined || found.length === 0) return reply(query, []); // the name exists and has no such record
  const start = rotate() % found.length;
  const rotated = [...found.slice(start), ...found.slice(0, start)];
  const ttl = DNS_TTL_SECONDS;
  return reply(
    query,
    rotated.map((data) => ({ type: version === 4 ? "A" : "AAAA", name: question.name, ttl, data })),
  );
}

/** The address that a name of reverse mapping means (RFC 1035, 3.5; RFC 3596, 2.5). */
function reversedAddress(name: string): string | undefined {
  const { version, parts } = /^(?<parts>.*)\.(?<version>in-addr|ip6)\.arpa$/.exec(name)?.groups ?? {};
  const reversed = parts?.split(".").reverse();
  if (version === "in-addr") return reversed?.join(".");
  const text = reversed?.join("").replace(/.{4}(?!$)/g, "$&:");
  return text && isIPv6(text) ? canonicalAddress(text) : undefined;
}

function reply(query: Packet, answers: Answer[], code = 0): Buffer {
  return encode({
    type: "response",
    id: query.id,
    flags: AUTHORITATIVE_ANSWER | RECURSION_DESIRED | RECURSION_AVAILABLE | code,
    questions: query.questions,
    answers,
  });
}

/** SERVFAIL, for what could not be asked. */
export function failure(query: Packet): Buffer {
  return encode({
    type: "response",
    id: query.id,
    flags: RECURSION_DESIRED | RECURSION_AVAILABLE | SERVFAIL,
    questions: query.questions,
  });
}
