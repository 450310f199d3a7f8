import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkStateFormat, JournalStore, readState } from "../../../src/store/index.ts";
import { currentFormat, MIGRATIONS, type Migration } from "../../../src/store/state-format.ts";

const FIXTURES = "test/fixtures/state";
const CURRENT = currentFormat().number;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-format-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const line = (json: string) => `${crc32(json).toString(16).padStart(8, "0")} ${json}\n`;
const put = (text: string | Buffer, name = "journal.1") => writeFileSync(join(folder, name), text);
const contents = () =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "latin1")]));

const later: Migration[] = [
  ...MIGRATIONS,
  {
    to: CURRENT + 1,
    what: "give volumes an owner",
    run: (documents) => {
      for (const [key, value] of documents)
        if (key.startsWith("volume/")) documents.set(key, { ...(value as object), owner: "root" });
    },
  },
];

describe("the format of the state", () => {
  it("is numbered from the first change on", () => {
    new JournalStore(folder).close();
    const store = new JournalStore(folder);
    expect(store.get("format")).toEqual(currentFormat());
    expect(store.migratedFrom).toBeUndefined();
    store.close();
  });

  it("stays in the first row when the journal is compacted", () => {
    const store = new JournalStore(folder);
    for (let index = 0; index < 60; index++) store.put("big", "x".repeat(100_000));
    store.close();
    expect(readdirSync(folder)).toEqual(["journal.2"]);
    expect(() => new JournalStore(folder, []).close()).toThrow(/format 1, written by bay/);
  });

  it("of a newer bay is refused by name, and nothing is changed", () => {
    // a later bay may write the rest of the journal in another way
    put(`${line(`[["format",{"number":${CURRENT + 1},"bay":"9.1.0"}]]`)}\x00\x01 another encoding\n`);
    const before = contents();
    const expected = new RegExp(
      `journal.1: the state has format ${CURRENT + 1}, written by bay 9.1.0; bay .* reads formats up to ${CURRENT}`,
    );
    expect(() => new JournalStore(folder)).toThrow(expected);
    expect(() => readState(folder)).toThrow(expected);
    expect(() => checkStateFormat(folder)).toThrow(expected);
    expect(contents()).toEqual(before);
  });

  it("is not taken for an empty state where the first line is damaged", () => {
    put("00000000 [[1]]\n");
    expect(() => new JournalStore(folder)).toThrow(/damaged in its first line/);
    expect(contents()).toEqual({ "journal.1": "00000000 [[1]]\n" });
  });

  it("is made again where a kill cut the very first line", () => {
    new JournalStore(folder).close();
    for (let size = statSync(join(folder, "journal.1")).size - 1; size >= 0; size--) {
      truncateSync(join(folder, "journal.1"), size);
      const store = new JournalStore(folder);
      expect(store.get("format")).toEqual(currentFormat());
      store.close();
    }
  });
});

describe("an older state", () => {
  it.each(readdirSync(FIXTURES))("of %s is brought up to date, and the old one is kept", (name) => {
    copyFileSync(join(FIXTURES, name, "journal"), join(folder, "journal.1"));
    const from = Number(name.split("-")[1]);
    const read = readState(folder);
    const store = new JournalStore(folder);
    for (const reader of [read, store]) {
      expect(reader.list("container/")).toHaveLength(2);
      expect(reader.list("volume/")).toHaveLength(2);
      expect(reader.list("network/")).toHaveLength(1);
      expect(reader.list("revision/fixture/")).toHaveLength(2);
      expect(reader.get("format")).toMatchObject({ number: CURRENT });
    }
    store.put("later", 1);
    store.close();
    expect(new JournalStore(folder).get("later")).toBe(1);
    if (from === CURRENT) return;
    expect(store.migratedFrom).toBe(from);
    const old = readFileSync(join(folder, `before-format-${CURRENT}`));
    expect(old).toEqual(readFileSync(join(FIXTURES, name, "journal")));
  });

  it("is migrated step by step", () => {
    put(line('[["volume/a",{"name":"a"}]]'));
    const store = new JournalStore(folder, later);
    expect(store.migratedFrom).toBe(0);
    expect(store.get("volume/a")).toEqual({ name: "a", owner: "root" });
    expect(store.get("format")).toMatchObject({ number: CURRENT + 1 });
    store.close();
    expect(() => new JournalStore(folder)).toThrow(/the state has format/);
  });

  it("stays as it is where a step fails", () => {
    put(line('[["volume/a",{"name":"a"}]]'));
    const before = contents();
    const broken = {
      to: CURRENT + 1,
      what: "fail",
      run: (documents: Map<string, unknown>) => {
        (documents.get("volume/a") as { name: string }).name = "b";
        throw new Error("no");
      },
    };
    expect(() => new JournalStore(folder, [...MIGRATIONS, broken])).toThrow(/to format \d+ \(fail\)/);
    expect(contents()).toEqual(before);
    expect(readState(folder).get("volume/a")).toEqual({ name: "a" });
  });

  it("is migrated once, wherever a kill ends the migration", () => {
    const old = line('[["volume/a",{"name":"a"}]]');
    put(old);
    new JournalStore(folder, later).close();
    const done = contents();
    const [copy, journal] = [`before-format-${CURRENT + 1}`, "journal.2"];
    expect(Object.keys(done).sort()).toEqual([copy, journal]);
    const half = (text: string) => text.slice(0, text.length / 2);
    const moments: Record<string, string>[] = [
      { [`${copy}.new`]: half(done[copy]!) },
      { [copy]: done[copy]! },
      { [copy]: done[copy]!, [`${journal}.new`]: "" },
      { [copy]: done[copy]!, [`${journal}.new`]: half(done[journal]!) },
      { [copy]: done[copy]!, [`${journal}.new`]: done[journal]! },
      { [copy]: done[copy]!, [journal]: done[journal]! },
    ];
    for (const moment of moments) {
      for (const name of readdirSync(folder)) rmSync(join(folder, name));
      put(old);
      for (const [name, text] of Object.entries(moment)) put(Buffer.from(text, "latin1"), name);
      const store = new JournalStore(folder, later);
      expect(store.list("volume/")).toEqual([{ name: "a", owner: "root" }]);
      store.close();
      expect(contents()).toEqual(done);
    }
  });
});
