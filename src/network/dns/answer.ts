/** Answering one DNS question (RFC 1035) from what bay knows: pure, the lookups are given. */
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  type DecodedPacket,
  encode,
  type Packet,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
} from "dns-packet";

/** Names as one container sees them. */
export interface NameView {
  /** Addresses of a name; none where it is bay's but nobody has it now; undefined where it is not one of bay's. */
  addresses(name: string): string[] | undefined;
  /** The name of an address of a network that the container is on. */
  nameOf(address: string): string | undefined;
}

/** How long an answer may be kept. */
export const DNS_TTL_SECONDS = 2;
const REVERSE = ".in-addr.arpa";
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
  if (question.type === "PTR" && name.endsWith(REVERSE)) {
    const address = name.slice(0, -REVERSE.length).split(".").reverse().join(".");
    const known = view.nameOf(address);
    return known === undefined
      ? undefined
      : reply(query, [{ type: "PTR", name: question.name, ttl: DNS_TTL_SECONDS, data: known }]);
  }
  const addresses = view.addresses(name);
  if (addresses === undefined) return undefined;
  if (addresses.length === 0) return reply(query, [], NXDOMAIN);
  if (question.type !== "A") return reply(query, []); // the name exists and has no such record
  const start = rotate() % addresses.length;
  const rotated = [...addresses.slice(start), ...addresses.slice(0, start)];
  return reply(
    query,
    rotated.map((data) => ({ type: "A" as const, name: question.name, ttl: DNS_TTL_SECONDS, data })),
  );
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
