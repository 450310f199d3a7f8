import { decode, encode } from "dns-packet";
import { describe, expect, it } from "vitest";
import { formatSubnet, overlaps, parseSubnet } from "../../../../src/core/ip.ts";
import {
  chooseAddress,
  chooseSubnet,
  chooseSubnet6,
} from "../../../../src/network/addresses/address-pool.ts";
import { answerQuestion } from "../../../../src/network/dns/answer.ts";
import { parseQuery, type Question } from "../../../../src/network/dns/message.ts";
import { renderRules } from "../../../../src/network/rules/rules.ts";

describe("address pools", () => {
  it("choose a subnet that does not overlap a used one", () => {
    expect(formatSubnet(chooseSubnet([]))).toBe("172.18.0.0/16");
    const pools = [
      { base: "10.200.0.0/23", size: 24 },
      { base: "10.201.0.0/24", size: 24 },
    ];
    const chosenOf = (used: string[]) => formatSubnet(chooseSubnet(used.map(parseSubnet), pools));
    expect(chosenOf([])).toBe("10.200.0.0/24");
    expect(chosenOf(["10.200.0.128/25"])).toBe("10.200.1.0/24");
    expect(chosenOf(["10.200.0.0/16"])).toBe("10.201.0.0/24");
    expect(() => chosenOf(["10.0.0.0/8"])).toThrow("no free IPv4 subnet");
    const used = [parseSubnet("172.16.0.0/12")];
    const chosen = chooseSubnet(used);
    expect(used.some((subnet) => overlaps(subnet, chosen))).toBe(false);
  });
  it("return addresses until there are none", () => {
    const subnet = parseSubnet("10.0.0.0/30");
    expect(chooseAddress(subnet, new Set(["10.0.0.1"]))).toBe("10.0.0.2");
    expect(() => chooseAddress(subnet, new Set(["10.0.0.1", "10.0.0.2"]))).toThrow("no free address");
  });
  it("reject an invalid subnet", () => {
    for (const text of ["10.0.0.1/24", "10.0.0.0", "10.0.0.0/33", "a/8"])
      expect(() => parseSubnet(text)).toThrow(text);
  });
  it("choose IPv6 subnets, and addresses after the gateway", () => {
    const subnet = chooseSubnet6();
    expect(formatSubnet(subnet)).toMatch(/^fd[0-9a-f:]+\/64$/);
    expect(overlaps(subnet, chooseSubnet6())).toBe(false);
    const six = parseSubnet("fd00::/64");
    expect(chooseAddress(six, new Set(["fd00::1"]))).toBe("fd00::2");
    expect(chooseAddress(six, new Set(), parseSubnet("fd00::ff00/120"))).toBe("fd00::ff00");
  });
});

describe("DNS answers", () => {
  const view = {
    addresses: (name: string) =>
      name === "db"
        ? ["10.0.0.2", "10.0.0.3"]
        : name === "six"
          ? ["10.0.0.4", "fd00::4"]
          : name === "stopped"
            ? []
            : undefined,
    nameOf: (address: string) =>
      ["10.0.0.2", "fd00::4"].includes(address) ? "demo-db-1.demo_default" : undefined,
  };
  const ask = (type: "A" | "AAAA" | "PTR", name: string, turn = 0) => {
    const question = parseQuery(encode({ type: "query", id: 7, questions: [{ type, name }] }));
    const answer = answerQuestion(question as Question, view, () => turn);
    return answer && decode(answer);
  };
  it("rotate, and show that a name without AAAA exists", () => {
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
  it("have the requested IP version", () => {
    expect(ask("A", "six")!.answers).toMatchObject([{ data: "10.0.0.4" }]);
    expect(ask("AAAA", "six")!.answers).toMatchObject([{ type: "AAAA", data: "fd00::4" }]);
    const reversed = `4.${"0.".repeat(27)}0.0.d.f.ip6.arpa`;
    expect(ask("PTR", reversed)!.answers).toMatchObject([{ data: "demo-db-1.demo_default" }]);
  });
  it("do not contain other names", () => {
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
    expect(text).not.toContain("table ip6");
    const six = {
      ...network,
      further: [{ subnet: "fd00::/64", gateway: "fd00::1" }],
      config: { ...network.config, ipv6: true },
    };
    const both = renderRules(
      "1",
      [six],
      [
        { ...port, target6: "fd00::2" },
        { ...port, hostAddress: "::1", hostPort: 82 },
      ],
    );
    expect(both).toContain("elements = { tcp . 80 : fd00::2 . 8080 };");
    expect(both).toContain('ip6 saddr fd00::/64 oifname != "bay1-net" masquerade');
    expect(both).not.toContain("ip saddr fd00");
    const balanced = { ...port, targets: ["172.18.0.2", "172.18.0.3"], targets6: ["fd00::2"], owner: "web" };
    const turns = renderRules("1", [six], [], [balanced, { ...balanced, hostPort: 83, targets: [] }]);
    expect(turns).toContain(
      "meta l4proto tcp th dport 80 dnat ip to numgen inc mod 2 map { 0 : 172.18.0.2, 1 : 172.18.0.3 } : 8080",
    );
    expect(turns).toContain("meta l4proto tcp th dport 83 dnat ip6 to [fd00::2] : 8080");
    expect(turns).not.toContain("th dport 83 dnat ip to");
    expect(
      renderRules("1", [{ ...network, config: { ...network.config, internal: true } }], []),
    ).not.toContain('!= "bay1-net" masquerade');
  });
});
