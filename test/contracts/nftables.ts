/** The contract of nftables: what the network room relies on, by the kernel in a namespace of its own and by the fake. */
import { beforeEach, describe, expect, it } from "vitest";

/** Runs commands as one transaction, and returns what they list. */
export type Nft = (commands: string) => string;

const REJECTED = expect.objectContaining({ code: "NFTABLES" });
const GUARD = [
  "table bridge bay_contract {",
  "  set guarded { type ifname; }",
  "  chain spoofing { type filter hook prerouting priority -300; policy accept;",
  "    iifname != @guarded accept",
  "  }",
  "}",
  "",
].join("\n");

export function nftablesContract(name: string, open: () => Nft): void {
  describe(`the contract of nftables: ${name}`, () => {
    let nft: Nft;
    beforeEach(() => {
      nft = open();
    });
    const replace = (text: string) =>
      nft(`add table bridge bay_contract\ndelete table bridge bay_contract\n${text}`);

    it("rejects a table that does not exist", () => {
      expect(() => nft("list table bridge bay_contract")).toThrow(REJECTED);
      expect(() => nft("delete table bridge bay_contract")).toThrow(REJECTED);
    });

    it("adds, lists and replaces a table", () => {
      replace(GUARD);
      const before = nft("list table bridge bay_contract");
      expect(before).toContain("iifname != @guarded accept");
      replace(GUARD);
      expect(nft("list table bridge bay_contract")).toBe(before);
      expect(nft("list chains")).toMatch(/^table bridge bay_contract \{[\s\S]*hook prerouting/);
      replace("");
      expect(() => nft("list table bridge bay_contract")).toThrow(REJECTED);
    });

    it("applies a transaction as a whole, or nothing of it", () => {
      replace(GUARD);
      const before = nft("list table bridge bay_contract");
      expect(() =>
        nft('add element bridge bay_contract guarded { "one" }\ndelete table bridge bay_absent\n'),
      ).toThrow(REJECTED);
      expect(nft("list table bridge bay_contract")).toBe(before);
      expect(() => nft("nonsense here\n")).toThrow(REJECTED);
    });

    it("lists elements, and rejects the deletion of one that is absent", () => {
      replace(`${GUARD}add element bridge bay_contract guarded { "one", "two" }\n`);
      nft('delete element bridge bay_contract guarded { "one" }\n');
      const listed = nft("list table bridge bay_contract");
      expect([listed.includes('"one"'), listed.includes('"two"')]).toEqual([false, true]);
      expect(() => nft('delete element bridge bay_contract guarded { "one" }\n')).toThrow(REJECTED);
    });

    it("empties a table without removing it", () => {
      replace(`${GUARD}add element bridge bay_contract guarded { "one" }\n`);
      nft("flush table bridge bay_contract\nflush set bridge bay_contract guarded\n");
      const listed = nft("list table bridge bay_contract");
      expect([listed.includes("accept\n"), listed.includes('"one"')]).toEqual([false, false]);
    });
  });
}
