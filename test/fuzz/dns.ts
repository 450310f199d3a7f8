/** The DNS parser under random changes of honest questions and answers: no error, a bounded reply, the other codec reads it. */
import { randomBytes, randomInt } from "node:crypto";
import { decode, encode } from "dns-packet";
import { isAnswerTo, parseQuery, type Question, replyTo } from "../../src/network/dns/message.ts";

const TYPES = ["A", "AAAA", "PTR", "TXT", "MX"] as const;
const LONGEST_REPLY = 12 + 255 + 4 + 11;

function honest(): Buffer {
  const label = () => randomBytes(randomInt(1, 20)).toString("hex").slice(0, 63);
  const name = Array.from({ length: randomInt(1, 4) }, label).join(".");
  const opt = { type: "OPT" as const, name: ".", udpPayloadSize: randomInt(65536), flags: 0, options: [] };
  return encode({
    type: randomInt(8) === 0 ? "response" : "query",
    id: randomInt(65536),
    questions: [{ type: TYPES[randomInt(TYPES.length)]!, name }],
    additionals: randomInt(2) ? [opt as never] : [],
  });
}

function mutated(message: Buffer): Buffer {
  const copy = randomInt(10) === 0 ? randomBytes(randomInt(1500)) : Buffer.from(message);
  for (let count = randomInt(6); count > 0 && copy.length > 0; count--)
    copy[randomInt(copy.length)] = [0, 1, 12, 63, 64, 0xc0, 255, randomInt(256)][randomInt(8)]!;
  return randomInt(4) === 0 ? copy.subarray(0, randomInt(copy.length + 1)) : copy;
}

/** Runs for so many seconds; throws at the first message that is not handled. */
export function fuzz(seconds: number): void {
  const question = parseQuery(
    encode({ type: "query", id: 1, questions: [{ type: "A", name: "a.b" }] }),
  ) as Question;
  let rounds = 0;
  for (const end = Date.now() + seconds * 1000; Date.now() < end; rounds++) {
    const message = mutated(honest());
    try {
      isAnswerTo(message, message.length > 1 ? message.readUInt16BE(0) : 0, question);
      const parsed = parseQuery(message);
      const reply = "reply" in parsed ? parsed.reply : replyTo(parsed, {});
      if (!reply) continue;
      if (reply.length > LONGEST_REPLY) throw new Error(`a reply of ${reply.length} bytes`);
      decode(reply);
    } catch (error) {
      console.error(`dns: ${message.toString("hex")}`);
      throw error;
    }
  }
  console.log(`dns: ${rounds} messages, no error`);
}
