import fc from "fast-check";
import { expect, it } from "vitest";
import { OpenQuestions } from "../../../../src/network/dns/open-questions.ts";

it("leaves room for the next container, however many send questions without end", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 64, max: 8192 }), (hogs, most) => {
      const all = new OpenQuestions(most, 1024);
      const clients = Array.from({ length: hogs }, () => all.client());
      for (let isAsking = true; isAsking; ) {
        const begun = clients.filter((client) => client.begin());
        isAsking = begun.length > 0;
      }
      expect(all.client().begin()).toBe(true);
    }),
  );
});

it("bounds one container, and all of them", () => {
  const all = new OpenQuestions(8, 3);
  const [one, two, three] = [all.client(), all.client(), all.client()];
  expect([1, 2, 3, 4].map(() => one.begin())).toEqual([true, true, true, false]);
  expect([1, 2, 3, 4].map(() => two.begin())).toEqual([true, true, true, false]);
  expect([1, 2].map(() => three.begin())).toEqual([true, false]);
  one.end();
  expect(three.begin()).toBe(true);
  two.end();
  expect(one.begin()).toBe(false);
});
