/** The DNS codec against dns-packet, another one, and against packets that are none. */
import { decode, encode, type Question as TheirQuestion } from "dns-packet";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  encodeName,
  fitDatagram,
  isAnswerTo,
  MAX_QUERY,
  parseQuery,
  type Question,
  RCODES,
  replyTo,
  TYPES,
} from "../../../../src/network/dns/message.ts";
import { runs } from "../../../support/property-runs.ts";

const query = (questions: TheirQuestion[], more: object = {}) =>
  encode({ type: "query", id: 7, flags: 0x100, questions, ...more });
const header = (counts: number[], flags = 0x100) => {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16BE(7, 0);
  bytes.writeUInt16BE(flags, 2);
  for (const [index, count] of counts.entries()) bytes.writeUInt16BE(count, 4 + index * 2);
  return bytes;
};
const A = Buffer.from([0, 1, 0, 1]);
const name = (...labels: string[]) =>
  Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, "latin1")])),
    Buffer.from([0]),
  ]);
const rcode = (reply: Buffer | undefined) => (reply ? reply[3]! & 0xf : undefined);
const refusal = (message: Buffer) => {
  const parsed = parseQuery(message);
  return "reply" in parsed ? rcode(parsed.reply) : "a question";
};

describe("a question", () => {
  it("is decoded as the other codec encodes it", () => {
    const label = fc.stringMatching(/^[A-Za-z0-9_-]{1,63}$/);
    const names = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join("."));
    fc.assert(
      fc.property(names, fc.constantFrom("A", "AAAA", "PTR", "MX" as const), (text, type) => {
        const parsed = parseQuery(query([{ type, name: text } as TheirQuestion])) as Question;
        expect(parsed).toMatchObject({ id: 7, name: text.toLowerCase(), isInternet: true, edns: undefined });
        const reply = decode(replyTo(parsed, { authoritative: true }));
        expect(reply).toMatchObject({ id: 7, type: "response", rcode: "NOERROR", flag_aa: true });
        expect(reply.questions).toMatchObject([{ name: text, type }]);
      }),
    );
  });

  it("has a bound for answers over UDP: 512 bytes, or what EDNS allows", () => {
    const plain = parseQuery(query([{ type: "A", name: "web" }])) as Question;
    const edns = (udpPayloadSize: number) =>
      parseQuery(
        query([{ type: "A", name: "web" }], {
          additionals: [{ type: "OPT", name: ".", udpPayloadSize, flags: 0, options: [] }],
        }),
      ) as Question;
    const answers = (count: number) =>
      Array.from({ length: count }, (_, index) => ({
        type: 1,
        ttl: 2,
        data: Buffer.from([10, 0, 0, index]),
      }));
    for (const [question, fits] of [
      [plain, 30],
      [edns(100), 30],
      [edns(1232), 75],
      [edns(60_000), 254],
    ] as const) {
      const whole = fitDatagram(question, replyTo(question, { answers: answers(fits) }));
      expect(decode(whole)).toMatchObject({ flag_tc: false });
      expect(decode(whole).answers).toHaveLength(fits);
      const cut = fitDatagram(question, replyTo(question, { answers: answers(fits + 1) }));
      expect(decode(cut)).toMatchObject({ flag_tc: true, answers: [] });
      expect(decode(cut).additionals).toHaveLength(question.edns ? 1 : 0);
    }
  });

  it.each<[string, Buffer, number | undefined]>([
    ["nothing", Buffer.alloc(0), undefined],
    ["half a header", Buffer.alloc(11), undefined],
    ["a response", Buffer.concat([header([1, 0, 0, 0], 0x8180), name("a"), A]), undefined],
    ["no question", header([0, 0, 0, 0]), RCODES.FORMERR],
    ["two questions", Buffer.concat([header([2, 0, 0, 0]), name("a"), A, name("b"), A]), RCODES.FORMERR],
    [
      "65535 of everything",
      Buffer.concat([header([65535, 65535, 65535, 65535]), name("a"), A]),
      RCODES.FORMERR,
    ],
    ["65535 answers", Buffer.concat([header([1, 65535, 0, 0]), name("a"), A]), RCODES.FORMERR],
    ["an answer", Buffer.concat([header([1, 1, 0, 0]), name("a"), A]), RCODES.FORMERR],
    ["a header alone", header([1, 0, 0, 0]), RCODES.FORMERR],
    [
      "a pointer to itself",
      Buffer.concat([header([1, 0, 0, 0]), Buffer.from([0xc0, 12]), A]),
      RCODES.FORMERR,
    ],
    [
      "a pointer after a label",
      Buffer.concat([header([1, 0, 0, 0]), Buffer.from([1, 97, 0xc0, 12]), A]),
      RCODES.FORMERR,
    ],
    [
      "a label of 64 bytes",
      Buffer.concat([header([1, 0, 0, 0]), Buffer.from([64]), Buffer.alloc(64, 97), Buffer.from([0]), A]),
      RCODES.FORMERR,
    ],
    [
      "a label that ends too early",
      Buffer.concat([header([1, 0, 0, 0]), Buffer.from([63, 97])]),
      RCODES.FORMERR,
    ],
    [
      "a name of 256 bytes",
      Buffer.concat([
        header([1, 0, 0, 0]),
        name("a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(62)),
        A,
      ]),
      RCODES.FORMERR,
    ],
    ["no type", Buffer.concat([header([1, 0, 0, 0]), name("a")]), RCODES.FORMERR],
    [
      "more bytes than a question has",
      Buffer.concat([header([1, 0, 0, 0]), name("a"), A, Buffer.alloc(MAX_QUERY)]),
      RCODES.FORMERR,
    ],
    ["an update", Buffer.concat([header([1, 0, 0, 0], 0x2800), name("a"), A]), RCODES.NOTIMP],
  ])("is refused where it is %s", (_, message, expected) => {
    expect(refusal(message)).toBe(expected);
  });

  it("may have 255 bytes, unusual bytes, another class, and an unknown version of EDNS", () => {
    const longest = name("a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61));
    expect(refusal(Buffer.concat([header([1, 0, 0, 0]), longest, A]))).toBe("a question");
    const chaos = parseQuery(
      Buffer.concat([header([1, 0, 0, 0]), name("version", "bind"), Buffer.from([0, 16, 0, 3])]),
    );
    expect(chaos).toMatchObject({ name: "version.bind", isInternet: false });
    const dotted = parseQuery(Buffer.concat([header([1, 0, 0, 0]), name("a.b", "c"), A])) as Question;
    expect(dotted.name).not.toBe("a.b.c");
    const version1 = Buffer.concat([
      header([1, 0, 0, 1]),
      name("a"),
      A,
      Buffer.from([0, 0, 41, 4, 0, 0, 1, 0, 0, 0, 0]),
    ]);
    const { reply } = parseQuery(version1) as { reply: Buffer };
    // BADVERS is 16: the upper bits are in the OPT record
    expect([reply[3]! & 0xf, reply.at(-6)]).toEqual([0, 1]);
  });

  it("of any bytes is parsed without an exception, and the other codec can decode the reply", () => {
    const start = fc.constantFrom(header([1, 0, 0, 0]), header([1, 0, 0, 1]), Buffer.alloc(0));
    const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
    const mutated = fc
      .tuple(
        fc.constantFrom(query([{ type: "A", name: "web.example.org" }])),
        fc.array(fc.tuple(fc.nat(40), fc.nat(255))),
      )
      .map(([message, changes]) => {
        const copy = Buffer.from(message);
        for (const [at, byte] of changes) if (at < copy.length) copy[at] = byte;
        return copy;
      });
    const any = fc.oneof(
      fc.tuple(start, bytes).map((parts) => Buffer.concat(parts)),
      mutated,
    );
    fc.assert(
      fc.property(any, (message) => {
        const parsed = parseQuery(message);
        const reply = "reply" in parsed ? parsed.reply : replyTo(parsed, { rcode: RCODES.NXDOMAIN });
        if (!reply) return;
        expect(reply.length).toBeLessThanOrEqual(12 + 255 + 4 + 11);
        expect(reply.readUInt16BE(0)).toBe(message.readUInt16BE(0));
        expect(() => decode(reply)).not.toThrow();
      }),
      runs(2000),
    );
  });
});

describe("an answer of an upstream server", () => {
  const question = parseQuery(query([{ type: "A", name: "Web.example" }])) as Question;
  const answer = (more: object = {}, questions = [{ type: "A", name: "wEB.example" } as TheirQuestion]) =>
    encode({ type: "response", id: 9, questions, ...more });

  it("must have the id and the question", () => {
    expect(isAnswerTo(answer(), 9, question)).toBe(true);
    expect(isAnswerTo(answer(), 8, question)).toBe(false);
    expect(isAnswerTo(answer({ type: "query" }), 9, question)).toBe(false);
    expect(isAnswerTo(answer({}, [{ type: "A", name: "other.example" }]), 9, question)).toBe(false);
    expect(isAnswerTo(answer({}, [{ type: "AAAA", name: "web.example" }]), 9, question)).toBe(false);
    expect(isAnswerTo(answer({}, []), 9, question)).toBe(false);
    expect(isAnswerTo(answer({ flags: RCODES.REFUSED }, []), 9, question)).toBe(true);
  });

  it("of any bytes is accepted or ignored without an exception", () => {
    const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
    const like = bytes.map((tail) => Buffer.concat([answer().subarray(0, 14), tail]));
    fc.assert(
      fc.property(fc.oneof(bytes, like), (message) => typeof isAnswerTo(message, 9, question) === "boolean"),
    );
  });
});

describe("a name in a record", () => {
  it("is encoded so that the other codec can decode it, or rejected", () => {
    const parsed = parseQuery(query([{ type: "PTR", name: "1.0.0.10.in-addr.arpa" }])) as Question;
    const reply = replyTo(parsed, {
      answers: [{ type: TYPES.PTR, ttl: 2, data: encodeName("shop-web-1.shop_default") }],
    });
    expect(decode(reply).answers).toMatchObject([{ type: "PTR", data: "shop-web-1.shop_default" }]);
    expect(() => encodeName("a".repeat(64))).toThrow(RangeError);
    expect(() => encodeName(Array(60).fill("abcd").join("."))).toThrow(RangeError);
  });
});
