/**
 * Queries upstream servers (RFC 1035, section 4.2; RFC 5452). Their messages are accepted only as an answer to the question.
 */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { isAnswerTo, type Question, RCODES, rcodeOf } from "./message.ts";

const TIMEOUT_MS = 3000;
const DNS_PORT = 53;
const MAX_TCP_ANSWER = 65535;

/** Replies of a server that has no answer; the next server is queried (resolv.conf(5)). */
const NEXT_SERVER: ReadonlySet<number> = new Set([RCODES.SERVFAIL, RCODES.NOTIMP, RCODES.REFUSED]);

/** Sends bytes to a server and passes on each message that it receives, until one is accepted. */
export type Transport = (
  message: Buffer,
  server: string,
  isAnswer: (message: Buffer) => boolean,
) => Promise<Buffer | undefined>;

/**
 * Queries one server after the other until one has an answer. Returns the first negative reply if none has one, and undefined
 * if no server replies. `query` is the client's message, which is sent unchanged except for its ID.
 */
export async function askUpstream(
  query: Buffer,
  question: Question,
  servers: readonly string[],
  transport: Transport,
): Promise<Buffer | undefined> {
  let refusal: Buffer | undefined;
  for (const server of servers) {
    // a new ID and a new port for each server, so that an attacker cannot guess them
    const id = randomInt(0x10000);
    const message = withId(query, id);
    const answer = await transport(message, server, (bytes) => isAnswerTo(bytes, id, question));
    if (!answer) continue;
    const own = withId(answer, question.id);
    if (!NEXT_SERVER.has(rcodeOf(own))) return own;
    refusal ??= own;
  }
  return refusal;
}

function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}

/** Prefixes a message with its length, as TCP requires (RFC 1035, 4.2.2). */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

export const overUdp: Transport = (message, server, isAnswer) =>
  new Promise((resolve) => {
    const socket = createSocket(isIPv6(server.replace(/%.*$/, "")) ? "udp6" : "udp4");
    let isDone = false;
    const finish = (answer: Buffer | undefined) => {
      if (isDone) return;
      isDone = true;
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(finish, TIMEOUT_MS, undefined);
    socket.on("error", () => finish(undefined));
    // connected: the kernel drops datagrams from other addresses
    socket.on("message", (answer) => isAnswer(answer) && finish(answer));
    socket.connect(DNS_PORT, server, () => {
      if (!isDone) socket.send(message);
    });
  });

export const overTcp: Transport = (message, server, isAnswer) =>
  new Promise((resolve) => {
    const socket = connect(DNS_PORT, server);
    let received = Buffer.alloc(0);
    const finish = (answer: Buffer | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(finish, TIMEOUT_MS, undefined);
    socket.on("error", () => finish(undefined));
    socket.on("close", () => finish(undefined));
    socket.on("connect", () => socket.write(framed(message)));
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2) return;
      const size = received.readUInt16BE(0);
      if (received.length >= 2 + size) {
        const answer = received.subarray(2, 2 + size);
        finish(isAnswer(answer) ? answer : undefined);
      } else if (received.length > 2 + MAX_TCP_ANSWER) finish(undefined);
    });
  });
