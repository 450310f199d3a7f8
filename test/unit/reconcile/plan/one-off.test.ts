import { describe, expect, it } from "vitest";
import { makeOneOffPlan, type OneOffRequest } from "../../../../src/reconcile/index.ts";
import { converged } from "../../../support/actual.ts";
import { loadText } from "../../../support/stack.ts";

const { stack } = loadText(`
name: demo
services:
  web:
    image: app
    command: serve
    environment: { A: "1", B: "2" }
    ports: ["80:8000"]
    volumes: ["data:/data"]
    restart: always
    post_start: [{ command: "true" }]
volumes: { data: }
`);
const request: OneOffRequest = {
  service: "web",
  name: undefined,
  command: ["ls", "-l"],
  entrypoint: undefined,
  override: { env: ["B=3"], mounts: [] },
  servicePorts: false,
  autoRemove: true,
  start: false,
  suffix: "0123456789ab",
};

describe("a one-off container", () => {
  it("is one step, which changes the service's container for the command", () => {
    const { steps } = makeOneOffPlan(stack, converged(stack), request);
    expect(steps).toHaveLength(1);
    const { kind, name, reasons, container } = steps[0]!;
    expect([kind, name, reasons[0]!.text]).toEqual([
      "container.create",
      "demo-web-run-0123456789ab",
      "runs ls -l",
    ]);
    expect(container).toMatchObject({
      start: false,
      config: {
        args: ["ls", "-l"],
        env: ["PATH=/bin", "A=1", "B=3"],
        ports: [],
        autoRemove: true,
        restart: { policy: "no" },
        labels: { "com.docker.compose.oneoff": "True" },
      },
    });
    expect(container!.config!.hooks).toBeUndefined();
    expect(container!.config!.mounts).toMatchObject([{ target: "/data" }]);
  });

  it("has the service's ports where they are asked for, and needs its image", () => {
    const withPorts = makeOneOffPlan(stack, converged(stack), {
      ...request,
      servicePorts: true,
      name: "one",
    });
    expect(withPorts.steps[0]).toMatchObject({
      name: "one",
      container: { config: { ports: [{ hostPort: 80 }] } },
    });
    const bare = { ...converged(stack), images: {} };
    expect(() => makeOneOffPlan(stack, bare, request)).toThrow("the image app does not exist");
  });
});
