import { describe, expect, it } from "vitest";
import { makePlan } from "../../../../src/reconcile/index.ts";
import { converged } from "../../../support/actual.ts";
import { loadText } from "../../../support/stack.ts";

const service = (more: string, command = "run") =>
  `name: demo\nservices:\n  web:\n    image: app\n    command: ${command}\n    ${more}\nvolumes: { data: }\nnetworks: { default: { ipam: { config: [{ subnet: 172.30.0.0/24 }] } } }\n`;

/** The steps that a changed command gives. */
function steps(more: string, other = "") {
  const before = loadText(service(more) + other).stack;
  const after = loadText(service(more, "other") + other).stack;
  return makePlan(after, converged(before)).steps.filter(({ kind }) => kind === "container.replace");
}
const orderOf = (more: string, other = "") => {
  const { rollout } = steps(more, other)[0]!;
  return [rollout!.order, rollout!.why];
};

describe("without update_config, a container is replaced", () => {
  it("start-first if two can run at once", () => {
    expect(orderOf("init: true")).toEqual(["start-first", undefined]);
    expect(orderOf('ports: ["8080:80"]')).toEqual(["start-first", undefined]);
    expect(orderOf('volumes: ["data:/data:ro"]\n    tmpfs: /tmp')).toEqual(["start-first", undefined]);
  });

  it.each([
    ["container_name: one", "container_name allows one container"],
    ["networks: { default: { ipv4_address: 172.30.0.5 } }", "ipv4_address allows one container"],
    ["network_mode: host", "both containers would listen on the host's network"],
    ['volumes: ["data:/data"]', "both containers would write to /data"],
    ['volumes: ["/var/data"]', "both containers would write to /var/data"],
    ['devices: ["/dev/null"]', "both containers would use its devices"],
  ])("stop-first with %s", (more, why) => {
    expect(orderOf(more)).toEqual(["stop-first", why]);
  });

  it("one after the other, with a rollback if one fails", () => {
    const all = steps("scale: 3");
    expect(all.map(({ after }) => after.filter((id) => id.includes("replace")))).toEqual([
      [],
      ["container.replace:demo-web-1"],
      ["container.replace:demo-web-2"],
    ]);
    expect(all[0]!.rollout).toMatchObject({ failureAction: "rollback", delayMs: 0 });
  });
});

describe("update_config", () => {
  const deploy = (config: string) => `scale: 5\n    deploy: { update_config: { ${config} } }`;

  it("is stop-first and one at a time where it says no other, as in Compose", () => {
    const [first, second] = steps(deploy("monitor: 2s"));
    expect(first!.rollout).toMatchObject({ order: "stop-first", monitorMs: 2000, failureAction: "pause" });
    expect(first!.interruption).toEqual({ stopMs: 10_000, until: "running" });
    expect(second!.after).toContain(first!.id);
  });

  it("replaces in groups, with a pause before each but the first", () => {
    const all = steps(deploy("parallelism: 2, delay: 3s, order: start-first"));
    expect(all.map(({ rollout }) => rollout!.delayMs)).toEqual([0, 0, 3000, 3000, 3000]);
    const groups = all.map(({ after }) => after.filter((id) => id.includes("replace")).length);
    expect(groups).toEqual([0, 0, 2, 2, 2]);
    expect(
      steps(deploy("parallelism: 0")).every(({ after }) => !after.some((id) => id.includes("replace"))),
    ).toBe(true);
  });

  it("waits for those that may fail, and continues", () => {
    const [first, second] = steps(deploy("failure_action: continue"));
    expect(second!.after).not.toContain(first!.id);
    expect(second!.afterEnd).toContain(first!.id);
  });

  it("has start-first also over a volume that both write to", () => {
    const [step] = steps('volumes: ["data:/data"]\n    deploy: { update_config: { order: start-first } }');
    expect(step!.rollout!.order).toBe("start-first");
  });

  it("is rejected if start-first needs two of something that exists once", () => {
    const load = (more: string) => () => loadText(service(more));
    const startFirst = "deploy: { update_config: { order: start-first } }";
    expect(load(`networks: { default: { mac_address: "02:42:ac:11:00:03" } }\n    ${startFirst}`)).toThrow(
      "services.web.deploy.update_config.order: start-first runs the old and the new container at the same time, but mac_address allows one",
    );
    // a name is no reason to refuse the file: Compose takes it
    const named = load(`container_name: one\n    ${startFirst}`)();
    expect(named.stack.services.web!.update?.order).toBe("stop-first");
    expect(load("deploy: { update_config: { max_failure_ratio: 2 } }")).toThrow("expected 0 to 1");
    expect(load("deploy: { rollback_config: { failure_action: rollback } }")).toThrow("pause or continue");
    expect(load("deploy: { update_config: { order: both } }")).toThrow("start-first");
  });
});

it("removes a container that an update left", () => {
  const { stack } = loadText(service("init: true"));
  const actual = converged(stack);
  actual.containers.push({
    ...actual.containers[0]!,
    id: "f".repeat(64),
    name: "0a_demo-web-1",
    role: "retiring",
  });
  const { steps } = makePlan(stack, actual);
  expect(steps).toMatchObject([
    { kind: "container.remove", name: "0a_demo-web-1", reasons: [{ drift: true }] },
  ]);
});

it("what shares a container that is replaced is stopped first, as that one ends it", () => {
  const stack = (command: string) =>
    loadText(
      `name: demo\nservices:\n  app: { image: app, command: ${command} }\n  side: { image: app, pid: "service:app" }\n`,
    ).stack;
  const { steps } = makePlan(stack("other"), converged(stack("run")));
  expect(steps.map(({ service, rollout }) => [service, rollout?.order, rollout?.why])).toEqual([
    ["app", "stop-first", "side shares its processes"],
    ["side", "stop-first", "the owner of a shared namespace is replaced"],
  ]);
});

it("what rollback_config says of more than the order has no effect, and a warning says so", () => {
  const { warnings } = loadText(
    service("deploy: { rollback_config: { order: start-first, parallelism: 2, monitor: 5s } }"),
  );
  expect(warnings.map(({ message }) => message)).toEqual([
    "services.web.deploy.rollback_config.parallelism has no effect: bay rolls containers back one after the other without a delay",
    "services.web.deploy.rollback_config.monitor has no effect: bay rolls containers back one after the other without a delay",
  ]);
});
