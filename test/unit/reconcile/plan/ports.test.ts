import { describe, expect, it } from "vitest";
import { makePlan, printPlan } from "../../../../src/reconcile/index.ts";
import { converged } from "../../../support/actual.ts";
import { loadText } from "../../../support/stack.ts";

const stack = (web: string, api: string) =>
  loadText(`
name: demo
services:
  web: { image: app, ports: ${web} }
  api: { image: app, ports: ${api} }
`).stack;

describe("published ports that go to another container", () => {
  const exchange = () => {
    const actual = converged(stack('["80:8000"]', '["81:8000"]'));
    for (const container of actual.containers)
      container.boundPorts = [
        { hostAddress: "", hostPort: container.service === "web" ? 80 : 81, protocol: "tcp" },
      ];
    return actual;
  };

  it("are released by a step of their own, before any other takes them", () => {
    const plan = makePlan(stack('["81:8000"]', '["80:8000"]'), exchange());
    const releases = plan.steps.filter(({ kind }) => kind === "port.release");
    expect(releases.map(({ name, reasons, ports }) => [name, reasons[0]!.text, ports])).toEqual([
      ["demo-web-1", "80/tcp moves to demo-api-1", [{ hostAddress: "", hostPort: 80, protocol: "tcp" }]],
      ["demo-api-1", "81/tcp moves to demo-web-1", [{ hostAddress: "", hostPort: 81, protocol: "tcp" }]],
    ]);
    const changes = plan.steps.filter(({ kind }) => kind.startsWith("container."));
    for (const change of changes)
      expect(change.after).toEqual(expect.arrayContaining(releases.map(({ id }) => id)));
    // the order of the steps is one in which they can be done
    plan.steps.forEach((step, index) => {
      for (const before of step.after)
        expect(plan.steps.findIndex(({ id }) => id === before)).toBeLessThan(index);
    });
    expect(printPlan(plan)).toContain("~ ports of demo-web-1 are released\n      80/tcp moves to demo-api-1");
  });

  it("are kept if no other container takes them, or the container is the same", () => {
    const kinds = (...to: [string, string]) =>
      makePlan(stack(...to), exchange()).steps.map(({ kind }) => kind);
    expect(kinds('["80:8000"]', '["81:8000"]')).toEqual([]);
    expect(kinds('["82:8000"]', '["81:8000"]')).not.toContain("port.release");
    expect(kinds('["127.0.0.1:80:8000"]', '["81:8000"]')).not.toContain("port.release");
  });
});
