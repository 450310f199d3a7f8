/** The contract of stores: what every backend of `Store`, and every fake, has to do. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Change, Store } from "../../src/store/index.ts";
import { runs } from "../support/property-runs.ts";

/** One place that state is kept in. */
export interface StorePlace {
  /** Opens the state; the one opened before is closed. */
  open(): Store;
  remove(): void;
}

export function storeContract(name: string, makePlace: () => StorePlace): void {
  describe(`the contract of stores: ${name}`, () => {
    let place: StorePlace;
    let store: Store;
    const reopen = () => {
      store.close();
      store = place.open();
    };
    beforeEach(() => {
      place = makePlace();
      store = place.open();
    });
    afterEach(() => {
      store.close();
      place.remove();
    });

    it("returns undefined for a key that does not exist, and an empty list for its prefix", () => {
      expect(store.get("a/1")).toBeUndefined();
      expect(store.list("a/")).toEqual([]);
    });

    it("lists the documents of a prefix in the order of their keys", () => {
      for (const key of ["a/2", "b/1", "a/10", "a/B", "a/b", "a"]) store.put(key, { key });
      const keys = store.list<{ key: string }>("a/").map(({ key }) => key);
      expect(keys).toEqual(["a/10", "a/2", "a/B", "a/b"]);
    });

    it("replaces a document as a whole", () => {
      store.put("a/1", { old: true, kept: 1 });
      store.put("a/1", { fresh: true });
      expect(store.get("a/1")).toEqual({ fresh: true });
    });

    it("accepts the deletion of a key that does not exist", () => {
      store.put("a/1", 1);
      store.delete("a/2");
      store.delete("a/1");
      store.delete("a/1");
      expect(store.list("a/")).toEqual([]);
    });

    it("keeps its own copy: a caller changes its object later without changing the state", () => {
      const value = { list: [1] };
      store.put("a/1", value);
      value.list.push(2);
      expect(store.get("a/1")).toEqual({ list: [1] });
    });

    it("applies no change of a transaction that has a value which cannot be written", () => {
      const circle: Record<string, unknown> = {};
      circle.self = circle;
      store.put("a/1", "before");
      const changes: Change[] = [
        { key: "a/1", value: "after" },
        { key: "a/2", value: circle },
      ];
      expect(() => store.write(changes)).toThrow();
      expect(store.list("a/")).toEqual(["before"]);
      reopen();
      expect(store.list("a/")).toEqual(["before"]);
    });

    it("applies the changes of a transaction in their order", () => {
      store.write([
        { key: "a/1", value: 1 },
        { key: "a/1", deleted: true },
        { key: "a/2", value: 2 },
        { key: "a/2", value: 3 },
      ]);
      expect(store.list("a/")).toEqual([3]);
    });

    it("has after it was opened again what was written before", async () => {
      const change = fc.oneof(
        fc.record({ key: fc.constantFrom("a/1", "a/2", "b/1"), value: fc.jsonValue() }),
        fc.record({ key: fc.constantFrom("a/1", "a/2", "b/1"), deleted: fc.constant(true as const) }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 8 }), async (writes) => {
          const keys = ["a/1", "a/2", "b/1"];
          store.write(keys.map((key) => ({ key, deleted: true })));
          const model = new Map<string, string>();
          for (const changes of writes) {
            store.write(changes);
            for (const each of changes) {
              if ("deleted" in each) model.delete(each.key);
              else model.set(each.key, JSON.stringify(each.value));
            }
          }
          await store.flush();
          reopen();
          for (const key of keys) expect(JSON.stringify(store.get(key))).toBe(model.get(key));
        }),
        runs(25),
      );
    });
  });
}
