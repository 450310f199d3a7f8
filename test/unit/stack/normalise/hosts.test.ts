/** The words of a stack file about its hosts: top-level `hosts`, and `host` of a service. */
import { describe, expect, it } from "vitest";
import { toCompose } from "../../../../src/stack/index.ts";
import { loadText, problemsOf } from "../../../support/stack.ts";

const NONE = { address: undefined, labels: {} };
const hostsOf = (hosts: string, key = "hosts") => loadText(`${key}: ${hosts}\nservices: {}\n`).stack.hosts;
const wrong = (hosts: string) => problemsOf(`hosts: ${hosts}\nservices: {}\n`);

describe("hosts", () => {
  it("are absent if the file does not name any", () => {
    expect("hosts" in loadText("services: {}\n").stack).toBe(false);
  });

  it.each([
    ["all", "all"],
    ["[a, b-2]", { a: NONE, "b-2": NONE }],
    ["{a: , b: {}}", { a: NONE, b: NONE }],
    ["{a: {address: 10.0.0.1}}", { a: { address: "10.0.0.1", labels: {} } }],
    ["{a: {address: '10.0.0.1:99'}}", { a: { address: "10.0.0.1", port: 99, labels: {} } }],
    ["{a: {address: 'FD00:0::1'}}", { a: { address: "fd00::1", labels: {} } }],
    ["{a: {address: '[fd00::1]:99'}}", { a: { address: "fd00::1", port: 99, labels: {} } }],
    ["{a: {address: 'Box.Example:99'}}", { a: { address: "box.example", port: 99, labels: {} } }],
    [
      "{a: {labels: {disk: ssd, x-own: 1}}, b: {labels: [disk=hdd, empty]}}",
      {
        a: { address: undefined, labels: { disk: "ssd", "x-own": "1" } },
        b: { address: undefined, labels: { disk: "hdd", empty: "" } },
      },
    ],
    [
      "{a: {address: '127.0.0.1:1'}, b: {address: '127.0.0.1:2'}}",
      {
        a: { address: "127.0.0.1", port: 1, labels: {} },
        b: { address: "127.0.0.1", port: 2, labels: {} },
      },
    ],
  ])("%s", (text, hosts) => {
    expect(hostsOf(text)).toEqual(hosts);
    expect(hostsOf(text, "x-bay-hosts")).toEqual(hosts);
  });

  it.each([
    ["{}", "hosts: expected at least one host"],
    ["[]", "hosts: expected at least one host"],
    ["some", "hosts: expected all, a list of names, or a mapping of names"],
    ["[a, a]", "hosts.1: a is listed twice"],
    ["[A]", "hosts.0: expected at most 63 lower case letters"],
    ["[-a]", "hosts.0: expected at most 63"],
    [`[${"a".repeat(64)}]`, "hosts.0: expected at most 63"],
    ["{a.b: }", '"a.b" is not a valid name under hosts'],
    ["{a_b: }", "use at most 63 lower case letters, digits and hyphens"],
    ["{a: {adress: 1.2.3.4}}", "did you mean address?"],
    ["{a: {address: 10.0.0.256}}", "hosts.a.address: expected an IP address or a DNS name"],
    ["{a: {address: '10.0.0.1:0'}}", "hosts.a.address: expected"],
    ["{a: {address: '10.0.0.1:65536'}}", "hosts.a.address: expected"],
    ["{a: {address: '[10.0.0.1]:1'}}", "hosts.a.address: expected"],
    ["{a: {address: 10.0.0.1/8}}", "hosts.a.address: expected"],
    ["{a: {address: 'fd00::1/64'}}", "hosts.a.address: expected"],
    ["{a: {address: 'a b'}}", "hosts.a.address: expected"],
    ["{a: {address: ''}}", "hosts.a.address: expected"],
    ["{a: {address: 'http://a'}}", "hosts.a.address: expected"],
    [
      "{a: {address: 10.0.0.1}, b: {address: 10.0.0.1}}",
      "hosts.b.address: 10.0.0.1 is also the address of a",
    ],
    ["{a: {labels: {'a/b': c}}}", "hosts.a.labels.a/b: the name of a label has letters"],
  ])("%s is an error", (text, message) => {
    const problems = wrong(text);
    expect(problems).toContain(message);
    expect(problems).toMatch(/^bay\.yaml:1:\d+: error/m);
  });

  it("are bounded in number", () => {
    const names = (count: number) =>
      `[${Array.from({ length: count }, (_, index) => `h${index}`).join(", ")}]`;
    expect(Object.keys(hostsOf(names(1000)) as object)).toHaveLength(1000);
    expect(wrong(names(1001))).toContain("hosts: 1001 hosts; at most 1000 are allowed");
    const labels = Array.from({ length: 1001 }, (_, index) => `l${index}: x`).join(", ");
    expect(wrong(`{a: {labels: {${labels}}}}`)).toContain("hosts.a.labels: 1001 entries; at most 1000");
  });

  it("can have one of two keys, but not both", () => {
    expect(problemsOf("hosts: [a]\nx-bay-hosts: [a]\nservices: {}\n")).toContain(
      "bay.yaml:2:14: error: x-bay-hosts: has the same meaning as hosts",
    );
  });

  it("are written by config as they are read", () => {
    for (const text of ["all", "[a]", "{a: {address: '[fd00::1]:99', labels: {d: 1}}, b: {address: x.y}}"]) {
      const { stack } = loadText(`hosts: ${text}\nservices: {}\n`);
      expect(loadText(JSON.stringify(toCompose(stack))).stack.hosts).toEqual(stack.hosts);
    }
  });
});

describe("hosts in several files", () => {
  const merged = (first: string, second: string) =>
    loadText(`hosts: ${first}\nservices: {}\n`, {
      files: ["bay.yaml", "over.yaml"],
      extra: { "over.yaml": `hosts: ${second}\n` },
    }).stack.hosts;

  it.each([
    ["[a]", "[b]", { a: NONE, b: NONE }],
    ["[a]", "{a: {address: 10.0.0.1, labels: [x=1]}}", { a: { address: "10.0.0.1", labels: { x: "1" } } }],
    [
      "{a: {labels: [x=1, y=1]}}",
      "{a: {labels: {x: 2}}}",
      { a: { address: undefined, labels: { x: "2", y: "1" } } },
    ],
    ["all", "[a]", { a: NONE }],
    ["{a: }", "all", "all"],
  ])("%s and %s", (first, second, hosts) => {
    expect(merged(first, second)).toEqual(hosts);
  });

  const included = (own: string, other: string) => ({
    text: `${own}include: [inner.yaml]\nservices: {}\n`,
    options: { extra: { "inner.yaml": `hosts: ${other}\nservices: {}\n` } },
  });

  it.each([
    ["", "all", "all"],
    ["", "[a]", { a: NONE }],
    ["hosts: [b]\n", "[a]", { a: NONE, b: NONE }],
    ["hosts: all\n", "all", "all"],
  ])("'%s' includes %s", (own, other, hosts) => {
    const { text, options } = included(own, other);
    expect(loadText(text, options).stack.hosts).toEqual(hosts);
  });

  it.each([
    ["hosts: all\n", "[a]"],
    ["hosts: [a]\n", "all"],
    ["hosts: {a: {address: 10.0.0.1}}\n", "{a: {address: 10.0.0.2}}"],
  ])("'%s' conflicts with an included %s", (own, other) => {
    const { text, options } = included(own, other);
    expect(problemsOf(text, options)).toContain("declared both in the file and in a file that it includes");
  });
});

describe("the host of a service", () => {
  const file = (keys: string, hosts = "[east, west]") =>
    `hosts: ${hosts}\nservices:\n  a: {image: x, ${keys}}\n`;
  const placed = (keys: string, hosts?: string) =>
    loadText(file(keys, hosts)).stack.services.a!.placement?.hosts;

  it.each([
    ["host: east", ["east"]],
    ["host: [west, east]", ["west", "east"]],
    ["x-bay: {host: east}", ["east"]],
    ["cpus: 1", undefined],
  ])("{%s}", (keys, hosts) => {
    expect(placed(keys)).toEqual(hosts);
  });

  it("can be any name if the hosts are all members", () => {
    expect(placed("host: other", "all")).toEqual(["other"]);
  });

  it.each([
    ["host: wst", "service a names the host wst, which is not declared\n", "did you mean west?"],
    ["host: [east, other]", "names the host other, which is not declared", "declare it under hosts:"],
    ["host: []", "services.a.host: expected at least one host", ""],
    ["host: [east, east]", "services.a.host.1: east is listed twice", ""],
    ["host: East", "services.a.host: expected at most 63 lower case letters", ""],
    ["x-bay: {host: wst}", "names the host wst", "did you mean west?"],
    ["host: east, x-bay: {host: east}", "services.a.x-bay.host: has the same meaning as host", ""],
  ])("{%s} is an error with its place", (keys, message, hint) => {
    const problems = problemsOf(file(keys));
    expect(problems).toContain(message);
    expect(problems).toContain(hint);
    expect(problems).toMatch(/^bay\.yaml:3:\d+: error/m);
  });

  it("is an error in a file without hosts", () => {
    expect(problemsOf("services:\n  a: {image: x, host: east}\n")).toContain(
      "bay.yaml:2:23: error: services.a.host: the file has no hosts",
    );
  });
});

describe("names that begin with x-", () => {
  it("are kept for labels, variables and networks, and left out of mappings with fixed keys", () => {
    const { stack } = loadText(`
x-own: 1
services:
  a:
    image: x
    x-own: 1
    labels: { x-label: 1 }
    environment: { x-variable: 1 }
    networks: { x-net: { x-own: 1, aliases: [b] } }
    healthcheck: { test: "true", x-own: 1 }
    volumes: [{ type: bind, source: /a, target: /b, x-own: 1 }]
networks: { x-net: { x-own: 1 } }
`);
    const { labels, environment, networks } = stack.services.a!;
    expect(labels).toEqual({ "x-label": "1" });
    expect(environment).toEqual({ "x-variable": "1" });
    expect(networks).toMatchObject({ "x-net": { aliases: ["b"] } });
  });
});
