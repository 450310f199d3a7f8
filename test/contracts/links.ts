/** The contract of links: what the network room relies on, by the kernel in a namespace of its own and by the fake. */
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Links } from "../../src/linux/index.ts";

/** The part of linux/'s door that the contract is about. */
export interface LinkDoor {
  Links: new () => Links;
  createNamespace(file: string): void;
  removeNamespace(file: string): void;
  inNamespace<T>(file: string, action: () => T): T;
}

export function linksContract(name: string, open: () => LinkDoor): void {
  describe(`the contract of links: ${name}`, () => {
    let folder: string;
    let door: LinkDoor;
    let outside: string;
    let inside: string;
    let links: Links;
    let opened: Links[];
    const linksOf = (file: string) => {
      const handle = door.inNamespace(file, () => new door.Links());
      opened.push(handle);
      return handle;
    };
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), "bay-links-"));
      door = open();
      opened = [];
      [outside, inside] = [join(folder, "outside"), join(folder, "inside")];
      for (const file of [outside, inside]) door.createNamespace(file);
      links = linksOf(outside);
    });
    afterEach(() => {
      for (const handle of opened) handle.close();
      for (const file of [outside, inside]) door.removeNamespace(file);
      rmSync(folder, { recursive: true });
    });
    const addVeth = (link: string, master: number) => {
      const peerNamespaceFd = openSync(inside, "r");
      const mac = "02:00:00:00:00:05";
      try {
        links.addVeth({ name: link, master, peerName: "eth0", peerNamespaceFd, peerMac: mac, mtu: 1400 });
      } finally {
        closeSync(peerNamespaceFd);
      }
    };
    const addBridge = (bridge: string) => {
      links.addBridge(bridge, 1400, "contract");
      return links.byName(bridge)!;
    };

    it("a fresh namespace has its loopback as link 1, which is down", () => {
      expect(links.list().filter(({ index }) => index === 1)).toMatchObject([{ name: "lo", isUp: false }]);
      links.setUp(1);
      expect(links.byName("lo")!.isUp).toBe(true);
    });

    it("a bridge is found by its name, is down at first, and its name is taken", () => {
      expect(addBridge("br0")).toMatchObject({ kind: "bridge", mtu: 1400, isUp: false });
      expect(() => links.addBridge("br0", undefined, "")).toThrow(
        expect.objectContaining({ code: "EEXIST" }),
      );
      expect(links.byName("br1")).toBeUndefined();
    });

    it("an address may be added twice, and goes with its link", () => {
      const { index } = addBridge("br0");
      for (let round = 0; round < 2; round++) links.addAddress(index, "10.9.0.1", 24);
      const own = () => links.addresses().filter(({ linkIndex }) => linkIndex === index);
      expect(own().map(({ address }) => address)).toEqual(["10.9.0.1"]);
      links.remove(index);
      expect(own()).toEqual([]);
    });

    it("a veth pair has an end in each namespace, and both go together", () => {
      const { index } = addBridge("br0");
      addVeth("ve0", index);
      expect(links.byName("ve0")).toMatchObject({ kind: "veth", master: index, mtu: 1400 });
      const there = linksOf(inside);
      expect(there.byName("eth0")).toMatchObject({ mac: "02:00:00:00:00:05", mtu: 1400 });
      links.remove(links.byName("ve0")!.index);
      expect(there.byName("eth0")).toBeUndefined();
    });

    it("a link that does not exist may be removed, but not changed", () => {
      links.remove(4000);
      expect(() => links.setUp(4000)).toThrow(expect.objectContaining({ code: "ENODEV" }));
    });
  });
}
