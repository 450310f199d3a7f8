import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDuration } from "../../../../src/core/durations.ts";
import { parseDotenv } from "../../../../src/stack/files/dotenv.ts";
import { mergeValues } from "../../../../src/stack/files/merge.ts";
import { parsePort } from "../../../../src/stack/normalise/ports.ts";
import { parseBytes, splitWords } from "../../../../src/stack/normalise/values.ts";

describe("durations", () => {
  it.each([
    ["10s", 10_000],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    ["300ms", 300],
    ["0", 0],
    [0, 0],
  ])("%s is %d ms", (text, expected) => expect(parseDuration(text)).toBe(expected));
  it.each(["", "10", "s", "1x", "-1s", 5])("rejects %j", (text) =>
    expect(parseDuration(text)).toBeUndefined());
});

describe("sizes", () => {
  it.each([
    ["64m", 64 << 20],
    ["1.5g", 1.5 * 2 ** 30],
    ["512", 512],
    ["10kb", 10240],
    ["10KiB", 10240],
    [100, 100],
    ["-1", -1],
  ])("%s is %d bytes", (text, expected) => expect(parseBytes(text)).toBe(expected));
  it.each(["", "m", "1.5.2g", "64x", 1.5])("rejects %j", (text) => expect(parseBytes(text)).toBeUndefined());
});

describe("shell words", () => {
  it.each([
    ["a b  c", ["a", "b", "c"]],
    [`a "b c" 'd "e'`, ["a", "b c", 'd "e']],
    [String.raw`a\ b "c\"d" '\n'`, ["a b", 'c"d', "\\n"]],
    ["''", [""]],
    ["", []],
  ])("%j is %j", (text, expected) => expect(splitWords(text)).toEqual(expected));
  it("rejects an unterminated quote", () => {
    for (const text of ["'a", '"a', "a\\"]) expect(splitWords(text)).toBeUndefined();
  });
  it("returns quoted words unchanged", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (words) => {
        const line = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
        expect(splitWords(line)).toEqual(words);
      }),
    );
  });
});

describe("ports", () => {
  it("expands ranges and reads addresses", () => {
    expect(parsePort("8080:80")).toEqual([
      { hostAddress: "", hostPort: 8080, containerPort: 80, protocol: "tcp" },
    ]);
    expect(parsePort("127.0.0.1:8000-8001:80-81/udp")).toEqual([
      { hostAddress: "127.0.0.1", hostPort: 8000, containerPort: 80, protocol: "udp" },
      { hostAddress: "127.0.0.1", hostPort: 8001, containerPort: 81, protocol: "udp" },
    ]);
    expect(parsePort("8000-8003:80")).toEqual([
      { hostAddress: "", hostPort: 8000, hostPortEnd: 8003, containerPort: 80, protocol: "tcp" },
    ]);
    expect(parsePort("[::1]:80:80")).toEqual([
      { hostAddress: "::1", hostPort: 80, containerPort: 80, protocol: "tcp" },
    ]);
    expect(parsePort("80")).toEqual([
      { hostAddress: "", hostPort: undefined, containerPort: 80, protocol: "tcp" },
    ]);
  });
  it.each(["", "a", "80:70000", "1-2:3-5", "80/sctp", "1:2:3:4", "0:0"])("explains %j", (text) => {
    expect(typeof parsePort(text)).toBe("string");
  });
});

describe(".env files", () => {
  it("reads quotes, comments, exports and references", () => {
    const text = `# c\nA=1\nexport B = two words # c\nC="x\\ny ${"$"}{A}"\nD='$A'\nE=\nF=$B\n\nG: yes\n`;
    const values = parseDotenv(text, () => undefined);
    expect(Object.fromEntries(values)).toEqual({
      A: "1",
      B: "two words",
      C: "x\ny 1",
      D: "$A",
      E: "",
      F: "two words",
      G: "yes",
    });
  });
  it("names the line of an error", () => {
    expect(() => parseDotenv("A=1\n=x\n", () => undefined)).toThrow("line 2");
    expect(() => parseDotenv('A=1\nB="x\n', () => undefined)).toThrow("not closed");
  });
});

describe("merging files", () => {
  const service = (value: object) => ({ services: { web: value } });
  const merge = (a: object, b: object) =>
    (mergeValues(service(a), service(b)) as { services: { web: object } }).services.web;
  it("follows the specification per key", () => {
    expect(
      merge({ command: ["a"], environment: ["A=1", "B=2"] }, { command: ["b"], environment: { B: "3" } }),
    ).toEqual({ command: ["b"], environment: { A: "1", B: "3" } });
    expect(merge({ ports: ["80:80"] }, { ports: ["80:80", "81:81"] })).toEqual({ ports: ["80:80", "81:81"] });
    expect(merge({ volumes: ["a:/x", "b:/y"] }, { volumes: ["c:/x"] })).toEqual({
      volumes: ["c:/x", "b:/y"],
    });
    expect(merge({ image: "a", deploy: { replicas: 1 } }, { image: "b", deploy: { resources: {} } })).toEqual(
      { image: "b", deploy: { replicas: 1, resources: {} } },
    );
  });
});
