/**
 * DNS messages, as far as bay needs them (RFC 1035, section 4; EDNS: RFC 6891). Only the header, one question and the OPT
 * record are parsed. Counts, lengths and names are bounded, and compression pointers in questions are rejected, so that every
 * packet costs the same small amount of work.
 *
 *     0   id            u16
 *     2   flags         QR 1 | opcode 4 | AA TC RD RA 4 | Z AD CD 3 | rcode 4
 *     4   qdcount, ancount, nscount, arcount   u16 each
 *     12  question: name | type u16 | class u16
 *         name: labels, each u8 length (1-63) and bytes, ended by a zero byte; 255 bytes at most
 *     OPT record: zero byte | type 41 u16 | UDP size u16 | extended rcode u8 | version u8 | flags u16 | length u16 | data
 */
import { LIMITS } from "../../core/limits.ts";

export const HEADER_SIZE = 12;
/** A question with a name of 255 bytes and some EDNS options; a longer message is not accepted as a question. */
export const MAX_QUERY = LIMITS.dns.query;
export const PLAIN_UDP_SIZE = 512;
/** The most bytes of an answer over UDP, even if the client allows more. */
export const MAX_UDP_SIZE = LIMITS.dns.udpAnswer;

const MAX_NAME = 255;
const MAX_LABEL = 63;
const TYPE_OPT = 41;
const QR = 0x8000;
const AA = 0x0400;
const TC = 0x0200;
const RD = 0x0100;
const RA = 0x0080;
const OPCODE = 0x7800;

export const TYPES = { A: 1, PTR: 12, AAAA: 28, ANY: 255 } as const;
const CLASS_IN = 1;
const CLASS_ANY = 255;

export const RCODES = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
} as const;
const BADVERS = 16;

export interface Question {
  id: number;
  flags: number;
  /** In lower case, without the trailing dot; bytes beyond ASCII as latin1. */
  name: string;
  type: number;
  /** The class is Internet or any. */
  isInternet: boolean;
  /** The question's bytes as received, which the reply repeats. */
  bytes: Buffer;
  /** Undefined if the client does not support EDNS. */
  edns: { udpSize: number } | undefined;
}

/** A message that cannot be answered, and the error reply; without a reply if it is not even a question. */
export interface Malformed {
  reply: Buffer | undefined;
}

/** Parses a client's message. Never throws. */
export function parseQuery(message: Buffer): Question | Malformed {
  if (message.length < HEADER_SIZE) return { reply: undefined };
  const flags = message.readUInt16BE(2);
  if (flags & QR) return { reply: undefined };
  const refuse = (rcode: number): Malformed => ({ reply: headerOnly(message, rcode) });
  if (flags & OPCODE) return refuse(RCODES.NOTIMP);
  const [questions, answers, authorities, additional] = [4, 6, 8, 10].map((at) => message.readUInt16BE(at));
  if (questions !== 1 || answers !== 0 || authorities !== 0 || additional! > 2 || message.length > MAX_QUERY)
    return refuse(RCODES.FORMERR);
  const parsed = parseQuestion(message);
  if (!parsed) return refuse(RCODES.FORMERR);
  const question: Question = { id: message.readUInt16BE(0), flags, ...parsed, edns: undefined };
  const opt = HEADER_SIZE + parsed.bytes.length;
  const hasOpt =
    additional! > 0 &&
    message.length >= opt + 11 &&
    message[opt] === 0 &&
    message.readUInt16BE(opt + 1) === TYPE_OPT;
  if (!hasOpt) return question;
  question.edns = { udpSize: clamp(message.readUInt16BE(opt + 3)) };
  const version = message[opt + 6];
  return version === 0 ? question : { reply: replyTo(question, { rcode: BADVERS }) };
}

const clamp = (size: number) => Math.min(Math.max(size, PLAIN_UDP_SIZE), MAX_UDP_SIZE);

/** Returns the first question of a message, or undefined if its name is invalid. Compression is rejected. */
function parseQuestion(
  message: Buffer,
): Pick<Question, "name" | "type" | "isInternet" | "bytes"> | undefined {
  const labels: string[] = [];
  let at = HEADER_SIZE;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > MAX_LABEL) return undefined;
    at += 1;
    if (length === 0) break;
    if (at + length > message.length || at + length - HEADER_SIZE > MAX_NAME - 1) return undefined;
    labels.push(message.toString("latin1", at, at + length));
    at += length;
  }
  if (message.length < at + 4) return undefined;
  const kind = message.readUInt16BE(at + 2);
  // a dot inside a label is a byte of it, and none of bay's names contains one
  const name = labels.some((label) => label.includes(".")) ? "\0" : labels.join(".").toLowerCase();
  return {
    name,
    type: message.readUInt16BE(at),
    isInternet: kind === CLASS_IN || kind === CLASS_ANY,
    bytes: message.subarray(HEADER_SIZE, at + 4),
  };
}

export interface Reply {
  rcode?: number;
  authoritative?: boolean;
  truncated?: boolean;
  /** Records of the question's name: the type, the time to live in seconds, and the data. */
  answers?: readonly { type: number; ttl: number; data: Buffer }[];
}

/** Returns a reply to a question, with an OPT record if the question has one. */
export function replyTo(
  question: Question,
  { rcode = RCODES.NOERROR, authoritative = false, truncated = false, answers = [] }: Reply,
): Buffer {
  const header = Buffer.alloc(HEADER_SIZE);
  header.writeUInt16BE(question.id, 0);
  const flags =
    QR | (authoritative ? AA : 0) | (truncated ? TC : 0) | (question.flags & RD) | RA | (rcode & 0xf);
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers.length, 6);
  header.writeUInt16BE(question.edns ? 1 : 0, 10);
  const records = answers.map(({ type, ttl, data }) => {
    const record = Buffer.alloc(12);
    record.writeUInt16BE(0xc000 | HEADER_SIZE, 0); // the question's name
    record.writeUInt16BE(type, 2);
    record.writeUInt16BE(CLASS_IN, 4);
    record.writeUInt32BE(ttl, 6);
    record.writeUInt16BE(data.length, 10);
    return Buffer.concat([record, data]);
  });
  return Buffer.concat([
    header,
    question.bytes,
    ...records,
    ...(question.edns ? [optRecord(rcode >> 4)] : []),
  ]);
}

function optRecord(extendedRcode: number): Buffer {
  const record = Buffer.alloc(11);
  record.writeUInt16BE(TYPE_OPT, 1);
  record.writeUInt16BE(MAX_UDP_SIZE, 3);
  record.writeUInt8(extendedRcode, 5);
  return record;
}

/** The reply to a message whose question could not be parsed. */
function headerOnly(message: Buffer, rcode: number): Buffer {
  const header = Buffer.alloc(HEADER_SIZE);
  message.copy(header, 0, 0, 2);
  header.writeUInt16BE(QR | (message.readUInt16BE(2) & (OPCODE | RD)) | RA | rcode, 2);
  return header;
}

/**
 * Returns a reply that fits into a datagram: a reply that is too large is truncated and marked, so that the client retries by
 * TCP.
 */
export function fitDatagram(question: Question, reply: Buffer): Buffer {
  const limit = question.edns?.udpSize ?? PLAIN_UDP_SIZE;
  if (reply.length <= limit) return reply;
  return replyTo(question, { rcode: rcodeOf(reply), truncated: true });
}

export const rcodeOf = (reply: Buffer) => reply[3]! & 0xf;

/**
 * True if a server's message is the answer to a question: a reply with this ID to the same question, whose letters may differ
 * in case. The rest is not parsed.
 */
export function isAnswerTo(message: Buffer, id: number, question: Question): boolean {
  if (message.length < HEADER_SIZE || message.readUInt16BE(0) !== id) return false;
  if ((message.readUInt16BE(2) & QR) === 0) return false;
  const count = message.readUInt16BE(4);
  // a server that cannot parse the question may omit it
  if (count === 0) return rcodeOf(message) !== RCODES.NOERROR;
  const parsed = count === 1 ? parseQuestion(message) : undefined;
  return (
    parsed !== undefined &&
    nameBytes(parsed.bytes) === nameBytes(question.bytes) &&
    parsed.bytes.subarray(-4).equals(question.bytes.subarray(-4))
  );
}

/** Lengths of labels are smaller than the codes of letters, so lower-casing does not change them. */
const nameBytes = (question: Buffer) => question.toString("latin1", 0, question.length - 4).toLowerCase();

/** Encodes a name as a record's data (RFC 1035, 3.1). Throws RangeError for an invalid name. */
export function encodeName(name: string): Buffer {
  const labels = name.split(".").filter(Boolean);
  const parts = labels.map((label) => {
    const bytes = Buffer.from(label, "latin1");
    if (bytes.length > MAX_LABEL)
      throw new RangeError(`a label of ${name} is longer than ${MAX_LABEL} bytes`);
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  });
  const whole = Buffer.concat([...parts, Buffer.from([0])]);
  if (whole.length > MAX_NAME) throw new RangeError(`${name} is longer than ${MAX_NAME} bytes`);
  return whole;
}
