import { describe, expect, it } from "vitest";
import { antiSpoofing } from "../../../../src/cli/commands/system/host-check.ts";
import { guardElements, linkLocal, renderGuard } from "../../../../src/network/rules/spoofing.ts";
import { loadText } from "../../../support/stack.ts";

const endpoint = {
  network: "n",
  networkId: "1",
  address: "10.0.0.2",
  mac: "02:42:0a:00:00:02",
  link: "veabc-1",
  interface: "eth0",
  aliases: [],
};

describe("the guard against spoofing", () => {
  it("contains the link, its addresses, and the link-local one derived from the MAC", () => {
    expect(linkLocal("02:42:0a:00:00:02")).toBe("fe80::42:aff:fe00:2");
    expect(guardElements({ ...endpoint, address6: "fd00::2" })).toEqual({
      guarded: ['"veabc-1"'],
      links: ['"veabc-1" . 02:42:0a:00:00:02'],
      addresses: ['"veabc-1" . 10.0.0.2'],
      addresses6: ['"veabc-1" . fd00::2', '"veabc-1" . fe80::42:aff:fe00:2', '"veabc-1" . ::'],
      targets6: [
        '"veabc-1" . 0xfd000000000000000000000000000002',
        '"veabc-1" . 0xfe8000000000000000420afffe000002',
      ],
    });
  });

  it("drops all IPv6 if the endpoint has none", () => {
    expect(guardElements(endpoint)).toMatchObject({ addresses6: [], targets6: [] });
  });

  it("has one table per bay", () => expect(renderGuard("1")).toContain("table bridge bay_1 {"));
});

describe("bay doctor", () => {
  it("reports a kernel that cannot limit containers to their own addresses", () => {
    const refuse = () => {
      throw new Error("Operation not supported");
    };
    expect(antiSpoofing(refuse)).toMatchObject({
      state: "warning",
      found: "no; containers can use the addresses of other containers: Operation not supported",
    });
    expect(antiSpoofing(() => {}).state).toBe("ok");
  });
});

describe("x-bay", () => {
  const load = (more: string) => () => loadText(`services: { a: { image: x, x-bay: ${more} } }`).stack;

  it("lets a service send from other addresses, on all its networks", () => {
    expect(load("{ spoofing: allow }")().services.a!.networks.default).toMatchObject({ maySpoof: true });
    expect(load("{ spoofing: deny }")().services.a!.networks.default!.maySpoof).toBeUndefined();
  });

  it("is checked, unlike the user's own keys", () => {
    expect(load("{ spoofing: maybe }")).toThrow("expected one of allow, deny");
    expect(load("{ spoof: allow }")).toThrow("spoof");
    expect(() => loadText("services: { a: { image: x, x-own: { anything: 1 } } }")).not.toThrow();
  });
});
