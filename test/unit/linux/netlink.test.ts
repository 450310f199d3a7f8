import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  attribute,
  decodeMessages,
  encodeMessage,
  parseAttributes,
} from "../../../src/linux/netlink/message.ts";

describe("netlink messages", () => {
  it("are decoded as they were encoded", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 0x3fff }), fc.uint8Array({ maxLength: 40 }))),
        (given) => {
          const body = Buffer.concat(given.map(([type, payload]) => attribute(type, Buffer.from(payload))));
          const message = decodeMessages(encodeMessage({ type: 16, flags: 5, sequence: 9, body }))[0]!;
          expect(message).toMatchObject({ type: 16, flags: 5, sequence: 9 });
          const back = parseAttributes(message.body).map(({ type, payload }) => [
            type,
            new Uint8Array(payload),
          ]);
          expect(back).toEqual(given);
        },
      ),
    );
  });

  it("stop at the first malformed attribute", () => {
    expect(parseAttributes(Buffer.from([2, 0, 1, 0]))).toEqual([]);
    expect(parseAttributes(Buffer.from([200, 0, 1, 0, 1]))).toEqual([]);
  });
});
