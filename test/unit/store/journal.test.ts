import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { JournalStore, readState } from "../../../src/store/index.ts";
import { runs } from "../../support/property-runs.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-store-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("the journal store", () => {
  it("has after a restart what it had before", () => {
    const operation = fc.record({
      key: fc.constantFrom("a/1", "a/2", "b/1"),
      value: fc.option(fc.jsonValue(), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 30 }), (operations) => {
        rmSync(folder, { recursive: true, force: true });
        const store = new JournalStore(folder);
        const model = new Map<string, unknown>();
        for (const { key, value } of operations) {
          if (value === undefined) {
            store.delete(key);
            model.delete(key);
          } else {
            store.put(key, value);
            model.set(key, JSON.parse(JSON.stringify(value)));
          }
        }
        store.close();
        const expected = [...model]
          .filter(([key]) => key.startsWith("a/"))
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([, value]) => value);
        expect(JSON.parse(JSON.stringify(readState(folder).list("a/")))).toEqual(expected);
        const again = new JournalStore(folder);
        expect(JSON.parse(JSON.stringify(again.list("a/")))).toEqual(expected);
        again.close();
      }),
      runs(30),
    );
  });

  it("loses only the transaction that was being written, wherever it is cut", () => {
    const store = new JournalStore(folder);
    store.put("a", 1);
    store.write([
      { key: "b", value: 2 },
      { key: "c", value: 3 },
    ]);
    store.close();
    const file = join(folder, "journal.1");
    const whole = readFileSync(file);
    const first = whole.indexOf(10, whole.indexOf(10) + 1) + 1; // behind the format's line and that of "a"
    for (let length = first; length < whole.length; length++) {
      writeFileSync(file, whole);
      truncateSync(file, length);
      const reopened = new JournalStore(folder);
      expect([reopened.get("a"), reopened.get("b"), reopened.get("c")]).toEqual([1, undefined, undefined]);
      reopened.put("d", 4);
      reopened.close();
      expect(readState(folder).get("d")).toBe(4);
    }
  });

  it("ends at a damaged line", () => {
    const store = new JournalStore(folder);
    store.put("a", 1);
    store.close();
    appendFileSync(join(folder, "journal.1"), '00000000 [["b",2]]\n');
    expect(readState(folder).get("b")).toBeUndefined();
  });

  it("starts a new file with a snapshot when the old one has grown", () => {
    const store = new JournalStore(folder);
    for (let index = 0; index < 60; index++) store.put("big", { index, text: "x".repeat(100_000) });
    store.put("small", 1);
    store.close();
    expect(readdirSync(folder)).toEqual(["journal.2"]);
    expect(readState(folder).get("small")).toBe(1);
    expect(readState(folder).get<{ index: number }>("big")!.index).toBe(59);
  });
});
