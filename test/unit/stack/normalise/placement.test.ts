/** deploy.placement and what else a service says about several hosts. */
import { describe, expect, it } from "vitest";
import { makePlan, PLAN_DEFAULTS } from "../../../../src/reconcile/index.ts";
import { toCompose } from "../../../../src/stack/index.ts";
import { NOTHING } from "../../../support/actual.ts";
import { loadText, problemsOf } from "../../../support/stack.ts";

const file = (keys: string, more = "") =>
  `hosts: [a, b]\nservices:\n  web:\n    image: x\n    ${keys}\n  db: {image: y}\n${more}`;
const service = (keys: string, more = "") => loadText(file(keys, more)).stack.services.web!;
const placement = (keys: string) => service(keys).placement!;
const constraint = (text: string) =>
  placement(`deploy: {placement: {constraints: ["${text}"]}}`).constraints[0]!;

describe("deploy.placement.constraints", () => {
  it.each([
    ["node.hostname == a", { attribute: "node.hostname", operator: "==", value: "a" }],
    ["node.id==abc", { attribute: "node.id", operator: "==", value: "abc" }],
    ["node.role != manager", { attribute: "node.role", operator: "!=", value: "manager" }],
    ["node.ip == 10.0.0.0/8", { attribute: "node.ip", operator: "==", value: "10.0.0.0/8" }],
    ["node.platform.os == linux", { attribute: "node.platform.os", operator: "==", value: "linux" }],
    ["NODE.Platform.Arch == x86_64", { attribute: "node.platform.arch", operator: "==", value: "x86_64" }],
    ["node.labels.Disk == ssd", { attribute: "node.labels", label: "Disk", operator: "==", value: "ssd" }],
    ["Node.Labels.a.b-c != x y", { attribute: "node.labels", label: "a.b-c", operator: "!=", value: "x y" }],
    ["engine.labels.k == v", { attribute: "engine.labels", label: "k", operator: "==", value: "v" }],
  ])("%s", (text, expected) => {
    expect(constraint(text)).toEqual({
      ...expected,
      where: "bay.yaml:5:40: services.web.deploy.placement.constraints.0",
    });
  });

  it.each([
    ["node.role", "constraint expected one operator from ==, !=", "write KEY == VALUE"],
    ["node.role = a", "constraint expected one operator from ==, !=", ""],
    ["node.role > a", "constraint expected one operator from ==, !=", ""],
    ["== a", "key '' is invalid", "the keys are node.id, node.hostname"],
    ["node rol == a", "key 'node rol' is invalid", ""],
    ["node.rol == a", "key 'node.rol' is invalid", "did you mean node.role?"],
    ["node.label.disk == a", "key 'node.label.disk' is invalid", "did you mean node.labels.disk?"],
    ["node.labels. == a", "key 'node.labels.' is invalid", ""],
    ["node.platform.arc == a", "key 'node.platform.arc' is invalid", "did you mean node.platform.arch?"],
    ["disk == ssd", "key 'disk' is invalid", "the keys are"],
    ["node.role ==", "value '' is invalid", ""],
    ["node.role == a,b", "value 'a,b' is invalid", ""],
    ["node.role === a", "value '= a' is invalid", ""],
    [`node.labels.x == ${"a".repeat(600)}`, "at most 512 are allowed", ""],
  ])("%s is an error with its place", (text, message, hint) => {
    const problems = problemsOf(file(`deploy: {placement: {constraints: ["${text}"]}}`));
    expect(problems).toContain(`bay.yaml:5:40: error: services.web.deploy.placement.constraints.0: `);
    expect(problems).toContain(message);
    expect(problems).toContain(hint);
  });

  it("are bounded in number", () => {
    const all = Array.from({ length: 101 }, () => "node.role == a").map((text, index) => `${text}${index}`);
    expect(problemsOf(file(`deploy: {placement: {constraints: ${JSON.stringify(all)}}}`))).toContain(
      "101 entries; at most 100 are allowed",
    );
  });
});

describe("deploy.placement", () => {
  it("has preferences in their order", () => {
    expect(
      placement("deploy: {placement: {preferences: [{spread: node.labels.zone}, {spread: engine.labels.x}]}}")
        .spread,
    ).toEqual([
      { attribute: "node.labels", label: "zone" },
      { attribute: "engine.labels", label: "x" },
    ]);
  });

  it.each([
    ["preferences: [{spread: node.role}]", "expected node.labels.NAME or engine.labels.NAME"],
    ["preferences: [{spread: zone}]", "expected node.labels.NAME or engine.labels.NAME"],
    ["preferences: [{}]", "preferences.0: expected spread"],
    [
      `preferences: [${Array.from({ length: 11 }, (_, index) => `{spread: node.labels.a${index}}`).join(", ")}]`,
      "11 entries; at most 10 are allowed",
    ],
    ["max_replicas_per_node: -1", "max_replicas_per_node: expected a number of 0 or more"],
    ["constraint: [a]", "did you mean constraints?"],
  ])("{%s} is an error with its place", (keys, message) => {
    const problems = problemsOf(file(`deploy: {placement: {${keys}}}`));
    expect(problems).toContain(message);
    expect(problems).toMatch(/^bay\.yaml:5:\d+: error/m);
  });

  it("has a limit for each host, of which 0 is none", () => {
    expect(placement("deploy: {placement: {max_replicas_per_node: 2}}").maxPerHost).toBe(2);
    expect(placement("deploy: {placement: {max_replicas_per_node: 0}}").maxPerHost).toBeUndefined();
  });
});

describe("a service of a stack with hosts", () => {
  it("is placed anywhere by default, and no warning says that a key has no effect", () => {
    const loaded = loadText(
      file(
        "deploy: {mode: replicated, endpoint_mode: vip, placement: {}, resources: {reservations: {cpus: 0.5, memory: 1g}}}",
      ),
    );
    expect(loaded.warnings).toEqual([]);
    expect(loaded.stack.services.web).toMatchObject({
      endpointMode: "vip",
      resources: { memoryReservation: 1 << 30 },
      placement: {
        constraints: [],
        spread: [],
        maxPerHost: undefined,
        isGlobal: false,
        reservedCpu: 500_000_000,
        where: "bay.yaml:5:63: services.web.deploy.placement",
      },
    });
    expect(loaded.stack.services.db!.placement!.where).toBe("bay.yaml:6:7: services.db");
  });

  it.each([
    ["deploy: {mode: global, replicas: 2}", "mode global runs one container per host"],
    ["scale: 2\n    deploy: {mode: global}", "services.web.scale: mode global runs one container per host"],
    ["scale: 10001", "services.web.scale: 10001 containers; at most 10000 are allowed"],
    ["container_name: c\n    deploy: {mode: global}", "a fixed name allows one container, but mode global"],
    [
      "networks: {default: {mac_address: '02:00:00:00:00:01'}}\n    deploy: {mode: global}",
      "services.web.networks.default.mac_address: a fixed address allows one container",
    ],
    [
      "deploy: {mode: global, placement: {max_replicas_per_node: 1}}",
      "max_replicas_per_node: can only be used with mode replicated",
    ],
    ["deploy: {resources: {reservations: {cpus: 10000000000}}}", "expected a number of CPUs"],
    ["deploy: {endpoint_mode: ipvs}", "expected one of vip, dnsrr"],
    ["network_mode: container:c", "services.web.network_mode: container:c is a container of one host"],
    ["pid: container:c", "services.web.pid: container:c is a container of one host"],
    ["ipc: container:c\n    host: [a, b]", "services.web.ipc: container:c is a container of one host"],
    ["volumes_from: [container:c]", "services.web.volumes_from: container:c is a container of one host"],
  ])("%s is an error", (keys, message) => {
    expect(problemsOf(file(keys))).toContain(message);
  });

  it("may use a container outside the stack if it names the host", () => {
    expect(service("network_mode: container:c\n    host: a").networkMode).toBe("container:c");
  });

  it("has the platform as a condition on hosts", () => {
    const { stack, warnings } = loadText(file("platform: linux/s390x"));
    expect(warnings).toEqual([]);
    expect(stack.services.web!.unavailable).toBeUndefined();
    expect(stack.services.web!.placement!.platform).toBe("linux/s390x");
  });

  it("is written by config as it is read", () => {
    const keys = `host: [a, b]
    platform: linux/arm64
    networks: {default: {x-bay-rate: 1500kbit}}
    ports: ["80:80", {target: 81, published: 81, mode: host}, "82"]
    deploy: {mode: replicated, replicas: 3, endpoint_mode: dnsrr, placement: {constraints: [node.labels.A!=b, engine.labels.c == d], preferences: [{spread: node.labels.z}], max_replicas_per_node: 2}, resources: {reservations: {cpus: 1.5, memory: 64m}}}`;
    const networks = `networks: {n: {driver: overlay, attachable: true, driver_opts: {encapsulation: gre, key: 7, mtu: 1400}}}\n`;
    const { stack } = loadText(file(keys, networks));
    const again = loadText(JSON.stringify(toCompose(stack))).stack;
    const withoutPlaces = (value: unknown) =>
      JSON.parse(JSON.stringify(value), (key, each) => (key === "where" ? undefined : each)) as unknown;
    expect(withoutPlaces(again.services)).toEqual(withoutPlaces(stack.services));
    expect(again.networks).toEqual(stack.networks);
    expect(toCompose(again)).toEqual(toCompose(stack));
  });

  it("is refused by a plan for one host", () => {
    const { stack } = loadText(file("cpus: 1"));
    expect(() => makePlan(stack, NOTHING, PLAN_DEFAULTS)).toThrow(
      "this command does not support stack files with hosts:",
    );
  });
});

describe("the mode of a port in a stack with hosts", () => {
  it.each([
    ['ports: ["80:80"]', ["ingress"]],
    ['host: [a, b]\n    ports: ["80:80"]', ["ingress"]],
    ['host: a\n    ports: ["80:80"]', ["host"]],
    ["host: a\n    ports: [{target: 80, published: 80, mode: ingress}]", ["ingress"]],
    ["ports: [{target: 80, published: 80, mode: host}]", ["host"]],
    ['ports: ["80", "80-81:80", "82-83:82-83"]', ["host", "host", "ingress", "ingress"]],
  ])("%s", (keys, modes) => {
    expect(service(keys).ports.map(({ mode }) => mode)).toEqual(modes);
  });

  it("is absent from a file without hosts", () => {
    const { stack } = loadText(
      "services: {a: {image: x, ports: [{target: 80, published: 80, mode: host}]}}\n",
    );
    expect(stack.services.a!.ports).toEqual([
      { hostAddress: "", hostPort: 80, containerPort: 80, protocol: "tcp" },
    ]);
  });

  it("allows several containers with a fixed port", () => {
    expect(service('scale: 3\n    ports: ["80:80"]').replicas).toBe(3);
    expect(service("scale: 2\n    ports: [{target: 80, published: 80, mode: host}]").replicas).toBe(2);
  });

  it("allows two services with one port on different hosts, and not on all hosts", () => {
    const both = (first: string, second: string) =>
      `hosts: [a, b]\nservices:\n  one: {image: x, ports: [{target: 80, published: 80, mode: ${first}}]}\n  two: {image: x, ports: [{target: 80, published: 80, mode: ${second}}]}\n`;
    expect(Object.keys(loadText(both("host", "host")).stack.services)).toHaveLength(2);
    for (const [first, second] of [
      ["host", "ingress"],
      ["ingress", "host"],
      ["ingress", "ingress"],
    ] as const)
      expect(problemsOf(both(first, second))).toContain("port 80/tcp is also published by one");
  });
});

describe("x-bay-rate", () => {
  const rate = (text: string) =>
    `services:\n  a:\n    image: x\n    networks: {default: {x-bay-rate: ${text}}}\n`;

  it("is a rate in bits a second, which has no effect yet", () => {
    const { stack, warnings } = loadText(rate("10mbit"));
    expect(stack.services.a!.networks.default!.rate).toBe(10_000_000);
    expect(warnings.map(({ code, place }) => [code, place?.line])).toEqual([["NO_EFFECT", 4]]);
  });

  it("is checked", () => {
    expect(problemsOf(rate("fast"))).toContain(
      'bay.yaml:4:38: error: services.a.networks.default.x-bay-rate: expected a rate such as 10mbit, got "fast"',
    );
  });
});
