/** Keys of services that say by other words what bay has, and those that mean nothing on one host. */
import { describe, expect, it } from "vitest";
import { loadText, problemsOf } from "../../support/stack.ts";

const load = (keys: string, extra?: Record<string, string>) =>
  loadText(`services:\n  a: {image: x, ${keys}}\n  db: {image: y}\n`, extra ? { extra } : {});
const service = (keys: string, extra?: Record<string, string>) => load(keys, extra).stack.services.a!;
const wrong = (keys: string) => problemsOf(`services:\n  a: {image: x, ${keys}}\n  db: {image: y}\n`);

describe("keys of a service", () => {
  it.each([
    ["restart_policy: {condition: none}", "no", 0],
    ["restart_policy: {}", "always", 0],
    ["restart_policy: {condition: any, max_attempts: 3}", "always", 0],
    ["restart_policy: {condition: on-failure, max_attempts: 3}", "on-failure", 3],
  ])("deploy: {%s} is restart %s", (deploy, policy, maxRetries) => {
    expect(service(`deploy: {${deploy}}`).restart).toEqual({ policy, maxRetries });
  });

  it("restart overrides deploy.restart_policy, and a warning says so", () => {
    const { stack, warnings } = load("restart: always, deploy: {restart_policy: {condition: none}}");
    expect(stack.services.a!.restart.policy).toBe("always");
    expect(warnings.map(({ code }) => code)).toEqual(["NO_EFFECT"]);
  });

  it.each([
    "restart_policy: {delay: 5s}",
    "labels: {a: b}",
    "placement: {constraints: [node.role == manager]}",
    "endpoint_mode: dnsrr",
    "resources: {reservations: {cpus: 1}}",
  ])("deploy: {%s} is said to have no effect, with its place", (deploy) => {
    const { warnings } = load(`deploy: {${deploy}}`);
    expect(warnings.map(({ code, place }) => [code, place?.line])).toEqual([["NO_EFFECT", 2]]);
  });

  it("a global service has one container", () => {
    expect(service("deploy: {mode: global}").replicas).toBe(1);
    expect(wrong("deploy: {mode: global, replicas: 2}")).toContain("mode global runs one container per host");
    expect(wrong("deploy: {mode: replicated-job}")).toContain("expected one of replicated, global");
  });

  it("cpu_quota of each cpu_period is cpus", () => {
    expect(service("cpu_quota: 50000").resources.cpus).toBe(0.5);
    expect(service("cpu_quota: 50000, cpu_period: 20000").resources.cpus).toBe(2.5);
    expect(service("cpu_quota: -1").resources.cpus).toBeUndefined();
    expect(wrong("cpu_quota: 50000, cpus: 1")).toContain("use one of them");
    expect(wrong("cpu_quota: 50000, cpu_period: 1")).toContain("services.a.cpu_period: expected");
  });

  it("label files are below labels", () => {
    const extra = { "one.labels": "A=1\nB=1\n", "two.labels": "B=2\nC=2\n" };
    expect(service("label_file: [one.labels, two.labels], labels: {C: '3'}", extra).labels).toEqual({
      A: "1",
      B: "2",
      C: "3",
    });
    expect(wrong("label_file: absent")).toContain("absent cannot be read");
  });

  it("links are dependencies with names", () => {
    const { dependsOn, links } = service("links: ['db:database', db]");
    expect(Object.keys(dependsOn)).toEqual(["db"]);
    expect(links.map(({ name }) => name)).toEqual(["database", "db"]);
    expect(wrong("links: [other]")).toContain("depends on other, which is not a service");
  });

  it("pull_refresh_after says when refresh is due", () => {
    expect(service("pull_policy: refresh, pull_refresh_after: 2h").pullPolicy).toEqual({
      when: "refresh",
      afterMs: 7_200_000,
    });
    expect(wrong("pull_policy: refresh")).toContain("refresh needs pull_refresh_after");
    expect(load("pull_refresh_after: 2h").warnings[0]?.message).toContain("has no effect");
  });

  it("a network has subnets of both versions, and IPv6 where it is asked for", () => {
    const text = (keys: string) => `services: {}\nnetworks:\n  n: {${keys}}\n`;
    const ipam =
      "ipam: {config: [{subnet: 'FD00:1:0::/64', gateway: 'fd00:1::f'}, {subnet: 10.1.0.0/24}, {subnet: 10.1.1.0/24}]}";
    const on = loadText(text(`enable_ipv6: true, ${ipam}`));
    expect(on.warnings).toEqual([]);
    expect(on.stack.networks.n).toMatchObject({
      subnet: "10.1.0.0/24",
      ipv6: true,
      further: [{ subnet: "fd00:1::/64", gateway: "fd00:1::f" }, { subnet: "10.1.1.0/24" }],
    });
    const off = loadText(text(`enable_ipv6: false, ${ipam}`));
    expect(off.warnings.map(({ message }) => message)).toEqual([
      "networks.n: the subnet fd00:1::/64 is not used, as enable_ipv6 is not true",
    ]);
    expect(off.stack.networks.n!.further).toEqual([{ subnet: "10.1.1.0/24", gateway: undefined }]);
    expect(problemsOf(text("enable_ipv4: false"))).toContain("without IPv4");
  });
});
