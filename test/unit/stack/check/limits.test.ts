/** Sizes, counts and words of stack files: what passes a limit is an error with its place. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { LIMITS } from "../../../../src/core/limits.ts";
import { loadStack } from "../../../../src/stack/index.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-limits-"));
afterAll(() => rmSync(folder, { recursive: true }));

function problems(service: object): string {
  const file = join(folder, "bay.yaml");
  writeFileSync(file, JSON.stringify({ services: { a: { image: "x", ...service } } }));
  try {
    loadStack({ files: [file], cwd: folder, environment: {} });
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

describe("limits of stack files", () => {
  it("refuse env files and label files that are too large, or have no end", () => {
    writeFileSync(join(folder, "large"), "x".repeat(LIMITS.stack.listFileBytes + 1));
    for (const key of ["env_file", "label_file"])
      for (const path of ["large", "/dev/zero"])
        expect(problems({ [key]: [path] })).toMatch(new RegExp(`^bay.yaml:1:\\d+: error: services.a.${key}`));
  });

  it("refuse too many and too long variables and labels", () => {
    const many = Array.from({ length: LIMITS.stack.parts + 1 }, (_, index) => `k${index}=v`);
    for (const key of ["environment", "labels", "annotations"]) {
      expect(problems({ [key]: many })).toContain(`at most ${LIMITS.stack.parts}`);
      expect(problems({ [key]: { a: "x".repeat(LIMITS.stack.entryBytes) } })).toContain("at most");
      expect(problems({ [key]: { a: "x".repeat(1000) } })).toBe("");
    }
  });

  it("say how many entries there are, and what else is wrong, in a mapping and in a list, of one file and of several", () => {
    const count = LIMITS.stack.parts + 1;
    const list = (begin: number, end: number) =>
      Array.from({ length: end - begin }, (_, index) => `k${begin + index}=v`);
    const mapping = (begin: number, end: number) =>
      Object.fromEntries(list(begin, end).map((entry) => entry.split("=") as [string, string]));
    const message = `services.a.labels: ${count} entries; at most ${LIMITS.stack.parts} are allowed`;
    for (const make of [list, mapping]) {
      const half = Math.floor(count / 2);
      const text = problems({ labels: make(0, count), mem_limit: "much" });
      expect(text).toContain(`bay.yaml:1:40: error: ${message}`);
      expect(text).toContain("services.a.mem_limit");
      expect(text.split("entries; at most")).toHaveLength(2);
      // what each file has is not too much, and together it is
      const base = { image: "x", labels: make(0, half) };
      writeFileSync(join(folder, "base.yaml"), JSON.stringify({ services: { base } }));
      const extended = { extends: { file: "base.yaml", service: "base" }, labels: make(half, count) };
      expect(problems(extended)).toContain(message);
    }
  });

  it("refuse spaces and control characters in words of resolv.conf and hosts", () => {
    const separator = fc.constantFrom("\n", "\r", "\t", " ", "\u2028", "\u001b", "\u0085");
    fc.assert(
      fc.property(separator, fc.constantFrom("dns_search", "dns_opt"), (character, key) => {
        expect(problems({ [key]: [`a${character}b`] })).toContain("control characters");
      }),
    );
    expect(problems({ extra_hosts: ["a\nb=1.2.3.4"] })).not.toBe("");
    expect(problems({ dns_search: "lan.example", dns_opt: ["ndots:2"], extra_hosts: ["a=1.2.3.4"] })).toBe(
      "",
    );
  });
});
