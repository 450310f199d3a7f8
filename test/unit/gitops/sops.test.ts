/** Files that SOPS has encrypted for age: what is decrypted, and what is refused. */
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { decryptSops, formatOf } from "../../../src/gitops/sops/decrypt.ts";
import { hide, valuesOf } from "../../../src/gitops/sops/decrypt-files.ts";
import { keyOpener } from "../../../src/gitops/sops/identity.ts";
import { bytesForMac } from "../../../src/gitops/sops/value.ts";
import { type Plain, sopsBinary, sopsDotenv, sopsJson, sopsYaml } from "../../support/sops.ts";

let identity = "";
let recipient = "";
beforeAll(async () => {
  identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
});
const open = (text: string, isJson = false) => decryptSops(text, isJson, keyOpener([identity]));

const tree = {
  db: { password: "p: 'ä' #", port: 5432, ratio: 0.5, on: true, off: false, none: null, empty: "" },
  list: ["a", "b", { c: "d" }],
  "10": "a key that looks like a number",
  "2": "another one",
  plain_unencrypted: "stays",
};
const rules = { isEncrypted: (path: string[]) => !path.some((key) => key.endsWith("_unencrypted")) };

describe("decryption", () => {
  it("restores YAML, without the metadata and encrypted comments", async () => {
    const text = await sopsYaml(tree, { recipient, ...rules });
    expect(formatOf(text)).toBe("yaml");
    const plain = (await open(text)).toString();
    expect(parse(plain)).toEqual(tree);
    expect(plain).not.toMatch(/ENC\[|sops/);
  });
  it("restores JSON", async () => {
    const text = await sopsJson(tree, { recipient, ...rules });
    expect(JSON.parse((await open(text, true)).toString())).toEqual(tree);
  });
  it("restores env files, with line breaks", async () => {
    const text = await sopsDotenv({ PASSWORD: "a=b #c", KEY: "one\ntwo", EMPTY: "" }, { recipient });
    expect((await open(text)).toString()).toBe("# a comment\nPASSWORD=a=b #c\nKEY=one\\ntwo\nEMPTY=\n");
  });
  it("restores files of any bytes", async () => {
    const bytes = Buffer.from([0, 255, 10, 13, 128, 200]);
    expect(await open(await sopsBinary(bytes, { recipient }))).toEqual(bytes);
  });
  it.each<[Record<string, string>, (path: string[]) => boolean]>([
    [{ encrypted_regex: "^(?:password|list)$" }, (path) => path.some((key) => /^(password|list)$/.test(key))],
    [{ encrypted_regex: "(?i)^DB$" }, (path) => path.includes("db")],
    [{ unencrypted_regex: "^db$" }, (path) => !path.includes("db")],
    [{ encrypted_suffix: "word" }, (path) => path.some((key) => key.endsWith("word"))],
    [{}, (path) => !path.some((key) => key.endsWith("_unencrypted"))],
  ])("follows the rules %j", async (given, isEncrypted) => {
    for (const isMacOnlyEncrypted of [false, true]) {
      const text = await sopsYaml(tree, { recipient, rules: given, isEncrypted, isMacOnlyEncrypted });
      expect(parse((await open(text)).toString())).toEqual(tree);
    }
  });
  it("restores all trees of strings", async () => {
    const key = fc.string({ minLength: 1, maxLength: 8 }).filter((text) => !/^(__proto__|sops)$/.test(text));
    const { tree: trees } = fc.letrec<{ tree: Record<string, Plain>; value: Plain }>((tie) => ({
      tree: fc.dictionary(key, tie("value"), { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
      value: fc.oneof(
        { maxDepth: 3 },
        fc.string({ unit: "binary" }),
        fc.boolean(),
        fc.integer(),
        tie("tree"),
      ),
    }));
    await fc.assert(
      fc.asyncProperty(trees, async (given) => {
        const isEncrypted = (path: string[]) => !path.some((each) => each.endsWith("_unencrypted"));
        const text = await sopsJson(given, { recipient, isEncrypted });
        expect(JSON.parse((await open(text, true)).toString())).toEqual(given);
      }),
      { numRuns: 30 },
    );
  });
});

describe("refused is", () => {
  it("every change of a byte of a value, the MAC or an unencrypted value", async () => {
    const text = await sopsJson({ a: "first", b: "second", c_unencrypted: "third" }, { recipient, ...rules });
    const places = [/"a": "ENC\[AES256_GCM,data:(.)/, /"mac": "ENC\[AES256_GCM,data:(.)/, /"(t)hird"/];
    for (const place of places) {
      const { index, 0: found, 1: letter } = place.exec(text)!;
      const at = index + found.lastIndexOf(letter!, found.length - (found.endsWith('"') ? 2 : 1));
      const changed = text.slice(0, at) + (letter === "A" ? "B" : "A") + text.slice(at + 1);
      await expect(open(changed, true)).rejects.toThrow(/was changed/);
    }
  });
  it("a value that was moved, removed or added", async () => {
    const text = await sopsJson({ a: "first", b: "second" }, { recipient });
    const values = JSON.parse(text) as Record<string, unknown>;
    const { a, b, ...rest } = values;
    for (const changed of [
      { a: b, b: a, ...rest },
      { a, ...rest },
      { b, a, ...rest },
      { a, b, c: "", d: a, ...rest },
    ])
      await expect(open(JSON.stringify(changed), true)).rejects.toThrow(/was changed/);
  });
  it("a file for another recipient, which is named", async () => {
    const other = await identityToRecipient(await generateX25519Identity());
    await expect(open(await sopsJson({ a: "b" }, { recipient: other }), true)).rejects.toThrow(other);
    const own = await sopsJson({ a: "b" }, { recipient });
    await expect(decryptSops(own, true, keyOpener([]))).rejects.toThrow(recipient);
  });
  it.each([
    ['{"a": "b", "sops": {}}', /SOPS metadata is not valid/],
    ['{"a": "b", "sops": {"mac": "x", "lastmodified": "x", "pgp": []}}', /no age recipient/],
    [
      "a: b\nsops:\n  mac: x\n  lastmodified: x\n  encrypted_comment_regex: x\n",
      /in comments are not supported/,
    ],
    ["a: b\n", /was not encrypted by SOPS/],
    ["sops:\n  - [\n", /not valid/],
  ])("%j", async (text, message) => {
    await expect(open(text)).rejects.toThrow(message);
  });
});

it("writes numbers for the MAC without an exponent", () => {
  const cases = [
    [1e21, "1000000000000000000000"],
    [1.5e-7, "0.00000015"],
    [-2.5e22, "-25000000000000000000000"],
    [0.1, "0.1"],
    [true, "True"],
  ] as const;
  for (const [value, text] of cases) expect(bytesForMac(value).toString()).toBe(text);
});

it("hides the values of decrypted files in texts", () => {
  const values = valuesOf(Buffer.from('PASSWORD=secret word\nkey: "other secret"\nSHORT=abc\n'));
  expect(hide("password: other secret -> secret word, abc", values)).toBe("password: *** -> ***, abc");
});
