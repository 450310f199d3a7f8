import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { encode } from "dns-packet";
import { describe, expect, it } from "vitest";
import { parseQuery, type Question, RCODES, rcodeOf, replyTo } from "../../../../src/network/dns/message.ts";
import { RateLimit } from "../../../../src/network/dns/rate-limit.ts";
import { serveTcp } from "../../../../src/network/dns/tcp-session.ts";
import { askUpstream, framed, type Transport } from "../../../../src/network/dns/upstream.ts";

const message = encode({ type: "query", id: 7, questions: [{ type: "A", name: "example.org" }] });
const question = parseQuery(message) as Question;

describe("the upstream servers", () => {
  /** Each server answers with its rcode; undefined is silence. */
  const ask = async (...rcodes: (number | undefined)[]) => {
    const asked: string[] = [];
    const ids = new Set<number>();
    const transport: Transport = (sent, server, isAnswer) => {
      asked.push(server);
      ids.add(sent.readUInt16BE(0));
      const rcode = rcodes[Number(server)];
      if (rcode === undefined) return Promise.resolve(undefined);
      const answer = replyTo({ ...question, id: sent.readUInt16BE(0) }, { rcode });
      const stranger = replyTo({ ...question, id: (sent.readUInt16BE(0) + 1) & 0xffff }, { rcode: 0 });
      expect(isAnswer(stranger)).toBe(false);
      return Promise.resolve(isAnswer(answer) ? answer : undefined);
    };
    const answer = await askUpstream(message, question, [...rcodes.keys()].map(String), transport);
    return { asked: asked.length, rcode: answer && rcodeOf(answer), id: answer?.readUInt16BE(0) };
  };
  const { NOERROR, NXDOMAIN, SERVFAIL, REFUSED, NOTIMP, FORMERR } = RCODES;

  it("are queried until one answers: a failure or a refusal does not count", async () => {
    for (const refusal of [SERVFAIL, REFUSED, NOTIMP, undefined])
      expect(await ask(refusal, NOERROR, NOERROR)).toEqual({ asked: 2, rcode: NOERROR, id: 7 });
    for (const answer of [NXDOMAIN, FORMERR])
      expect(await ask(answer, NOERROR)).toMatchObject({ asked: 1, rcode: answer });
    expect(await ask(REFUSED, SERVFAIL, undefined)).toEqual({ asked: 3, rcode: REFUSED, id: 7 });
    expect(await ask(undefined, undefined)).toMatchObject({ asked: 2, rcode: undefined });
    expect(await ask()).toMatchObject({ asked: 0, rcode: undefined });
  });
});

describe("a rate limit", () => {
  it("allows a burst, and a number per second", () => {
    let now = 0;
    const limit = new RateLimit(10, 5, () => now);
    const taken = () => Array.from({ length: 100 }, () => limit.take()).filter(Boolean).length;
    expect(taken()).toBe(5);
    now += 200;
    expect(taken()).toBe(2);
    now += 60_000;
    expect(taken()).toBe(5);
  });
});

describe("a connection", () => {
  class FakeSocket extends EventEmitter {
    destroyed = false;
    isPaused = false;
    writableNeedDrain = false;
    written: Buffer[] = [];
    setTimeout() {}
    pause() {
      this.isPaused = true;
    }
    resume() {
      this.isPaused = false;
    }
    write(bytes: Buffer) {
      this.written.push(bytes);
    }
    isEnded = false;
    end() {
      this.isEnded = true;
    }
    destroy() {
      this.destroyed = true;
    }
  }
  const open = (resolve: (message: Buffer) => Promise<Buffer | undefined>, mayAsk = () => true) => {
    const socket = new FakeSocket();
    serveTcp(socket as unknown as Socket, { resolve, mayAsk });
    return socket;
  };
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  it("answers messages that come in pieces, in any number", async () => {
    const socket = open((each) => Promise.resolve(each));
    const many = Buffer.concat(Array(2000).fill(framed(message)));
    for (let at = 0; at < many.length; at += 1000) {
      socket.emit("data", many.subarray(at, at + 1000));
      for (let round = 0; round < 100 && socket.isPaused; round++) await settled();
    }
    for (let round = 0; round < 200; round++) await settled();
    expect(socket.written).toHaveLength(2000);
    expect([socket.destroyed, socket.isEnded]).toEqual([false, false]);
    socket.emit("end");
    expect(socket.isEnded).toBe(true);
  });

  it("is not read while 32 questions wait, or while the client does not read", async () => {
    let answer: (() => void)[] = [];
    const socket = open((each) => new Promise((resolve) => answer.push(() => resolve(each))));
    socket.emit("data", Buffer.concat(Array(100).fill(framed(message))));
    await settled();
    expect([answer.length, socket.isPaused]).toEqual([32, true]);
    socket.writableNeedDrain = true;
    for (const each of answer.splice(0)) each();
    await settled();
    expect([answer.length, socket.isPaused]).toEqual([0, true]);
    socket.writableNeedDrain = false;
    socket.emit("drain");
    await settled();
    expect(answer.length).toBe(32);
    answer = [];
  });

  it("ends if it sends something that is not a message", () => {
    for (const bytes of [Buffer.from([0, 0]), Buffer.from([0xff, 0xff, 1]), Buffer.alloc(100)]) {
      const socket = open((each) => Promise.resolve(each));
      socket.emit("data", bytes);
      expect(socket.destroyed).toBe(true);
    }
  });
});
