import { decode, encode } from "dns-packet";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatSubnet, overlaps, parseSubnet, toAddress, toNumber } from "../../../src/ipv4.ts";
import { chooseAddress, chooseSubnet } from "../../../src/network/address-pool.ts";
import { answerQuestion } from "../../../src/network/dns/answer.ts";
import { renderRules } from "../../../src/network/rules.ts";

describe("address pools", () => {
  it("choose a subnet that overlaps nothing in use", () => {
    expect(formatSubnet(chooseSubnet([]))).toBe("172.18.0.0/16");
    const used = [parseSubnet("172.16.0.0/12")];
    const chosen = chooseSubnet(used);
    expect(used.some((subnet) => overlaps(subnet, chosen))).toBe(false);
  });
  it("give addresses until there are none", () => {
    const subnet = parseSubnet("10.0.0.0/30");
    expect(chooseAddress(subnet, new Set(["10.0.0.1"]))).toBe("10.0.0.2");
    expect(() => chooseAddress(subnet, new Set(["10.0.0.1", "10.0.0.2"]))).toThrow("no free address");
  });
  it("refuse what is no subnet", () => {
    for (const text of ["10.0.0.1/24", "10.0.0.0", "10.0.0.0/33", "a/8"])
      expect(() => parseSubnet(text)).toThrow(text);
  });
  it("turn addresses into numbers and back", () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(toAddress(toNumber(address))).toBe(address);
      }),
    );
  });
});

describe("DNS answers", () => {
  const view = {
    addresses: (name: string) =>
      name === "db" ? ["10.0.0.2", "10.0.0.3"] : name === "stopped" ? [] : undefined,
    nameOf: (address: string) => (address === "10.0.0.2" ? "demo-db-1.demo_default" : undefined),
  };
  const ask = (type: "A" | "AAAA" | "PTR", name: string, turn = 0) => {
    const query = decode(encode({ type: "query", id: 7, questions: [{ type, name }] }));
    const answer = answerQuestion(query, view, () => turn);
    return answer && decode(answer);
  };
  it("rotate, and say that a name without AAAA exists", () => {
    expect(ask("A", "db")!.answers!.map((row) => ("data" in row ? row.data : ""))).toEqual([
      "10.0.0.2",
      "10.0.0.3",
    ]);
    expect(ask("A", "DB", 1)!.answers![0]).toMatchObject({ data: "10.0.0.3" });
    expect(ask("AAAA", "db")).toMatchObject({ answers: [], rcode: "NOERROR" });
    expect(ask("A", "stopped")).toMatchObject({ answers: [], rcode: "NXDOMAIN" });
    expect(ask("PTR", "2.0.0.10.in-addr.arpa")!.answers![0]).toMatchObject({
      data: "demo-db-1.demo_default",
    });
  });
  it("leave other names to others", () => {
    expect(ask("A", "example.org")).toBeUndefined();
    expect(ask("PTR", "9.0.0.10.in-addr.arpa")).toBeUndefined();
  });
});

describe("the rules", () => {
  it("are a pure function of networks and ports", () => {
    const network = {
      id: "1",
      createdAt: "",
      bridge: "bay1-net",
      subnet: "172.18.0.0/16",
      gateway: "172.18.0.1",
      config: {
        name: "n",
        stack: "s",
        key: "n",
        driver: "bridge" as const,
        internal: false,
        subnet: undefined,
        gateway: undefined,
        mtu: undefined,
        labels: {},
      },
    };
    const port = {
      hostAddress: "",
      hostPort: 80,
      protocol: "tcp" as const,
      containerPort: 8080,
      target: "172.18.0.2",
      container: "c",
    };
    const text = renderRules("1", [network], [port, { ...port, hostAddress: "127.0.0.1", hostPort: 81 }]);
    expect(text).toContain("elements = { tcp . 80 : 172.18.0.2 . 8080 };");
    expect(text).toContain("elements = { 127.0.0.1 . tcp . 81 : 172.18.0.2 . 8080 };");
    expect(text).toContain('ip saddr 172.18.0.0/16 oifname != "bay1-net" masquerade');
    expect(
      renderRules("1", [{ ...network, config: { ...network.config, internal: true } }], []),
    ).not.toContain('!= "bay1-net" masquerade');
  });
});
