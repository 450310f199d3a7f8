/** What a service asks for and this host cannot give: the file is read with a warning, and only this service is refused. */
import { describe, expect, it } from "vitest";
import { makePlan, PLAN_DEFAULTS } from "../../../src/reconcile/index.ts";
import { toCompose } from "../../../src/stack/index.ts";
import { NOTHING } from "../../support/actual.ts";
import { loadText } from "../../support/stack.ts";

const file = (keys: string) => `services:\n  a: { image: x, ${keys} }\n  b: { image: x }\n`;
const PLACE = "bay.yaml:2:";

describe("a service that this host cannot run", () => {
  it.each([
    ["gpus: all", "services.a.gpus"],
    ["gpus: [{ driver: nvidia, count: 1 }]", "services.a.gpus"],
    ["runtime: nvidia", "services.a.runtime"],
    ["platform: wasi/wasm", "services.a.platform"],
    ["platform: windows/amd64", "services.a.platform"],
    ["platform: linux/s390x", "services.a.platform"],
    [
      "deploy: { resources: { reservations: { devices: [{ capabilities: [gpu], count: all }] } } }",
      "services.a.deploy.resources.reservations.devices",
    ],
  ])("for its %s is loaded with a warning at its place, and kept by config", (keys, where) => {
    const { stack, warnings } = loadText(file(keys));
    expect(warnings).toMatchObject([{ code: "UNAVAILABLE", place: { line: 2 } }]);
    expect(warnings[0]!.message).toContain(where);
    const again = loadText(JSON.stringify(toCompose(stack))).stack.services.a!.unavailable;
    expect(again?.map(({ key, value }) => [key, value])).toEqual(
      stack.services.a!.unavailable?.map(({ key, value }) => [key, value]),
    );
    const plan = (services: string[]) => makePlan(stack, NOTHING, { ...PLAN_DEFAULTS, services });
    expect(() => plan([])).toThrow(PLACE);
    expect(() => plan(["a"])).toThrow(where);
    expect(plan(["b"]).steps.map(({ service }) => service)).toContain("b");
  });

  it.each(["runtime: runc", "runtime: io.containerd.runc.v2"])("%s has no effect, with a warning", (keys) => {
    const { stack, warnings } = loadText(file(keys));
    expect(warnings.map(({ code }) => code)).toEqual(["NO_EFFECT"]);
    expect(stack.services.a!.unavailable).toBeUndefined();
  });

  it("is not asked for where its profiles are off", () => {
    expect(loadText(file("gpus: all, profiles: [p]")).warnings).toEqual([]);
  });
});

describe("a driver that this host lacks", () => {
  const used = (sections: string) =>
    `services:\n  a: { image: x, networks: [m], volumes: ["v:/v"] }\n  b: { image: x }\n${sections}\n`;

  it.each([
    [
      "networks: { m: { driver: macvlan, driver_opts: { parent: eth0 } } }\nvolumes: { v: }",
      "networks.m.driver",
    ],
    [
      "networks: { m: { driver: ipvlan, driver_opts: { ipvlan_mode: l2 } } }\nvolumes: { v: }",
      "networks.m.driver",
    ],
    ["networks: { m: { driver: overlay, attachable: true } }\nvolumes: { v: }", "networks.m.driver"],
    ["networks: { m: { ipam: { driver: dhcp } } }\nvolumes: { v: }", "networks.m.ipam.driver"],
    ["networks: { m: }\nvolumes: { v: { driver: rclone, driver_opts: { remote: x } } }", "volumes.v.driver"],
  ])("is loaded with a warning at its place: %s", (sections, where) => {
    const { stack, warnings } = loadText(used(sections));
    expect(warnings).toMatchObject([{ code: "UNAVAILABLE" }]);
    expect(warnings[0]!.message).toContain(where);
    const again = loadText(JSON.stringify(toCompose(stack)));
    expect(toCompose(again.stack)).toEqual(toCompose(stack));
    expect(again.warnings.map(({ code }) => code)).toEqual(["UNAVAILABLE"]);
    const plan = (services: string[]) => makePlan(stack, NOTHING, { ...PLAN_DEFAULTS, services });
    expect(() => plan([])).toThrow(where);
    expect(() => plan(["a"])).toThrow(/bay\.yaml:\d+:\d+: /);
    expect(plan(["b"]).steps.map(({ service }) => service)).toContain("b");
  });

  it.each(["bridge", "default", "''"])("is not the network driver %s", (driver) => {
    expect(loadText(used(`networks: { m: { driver: ${driver} } }\nvolumes: { v: }`)).warnings).toEqual([]);
  });

  it("leaves the options of a network to that driver, and checks those of bridge", () => {
    expect(() =>
      loadText(used("networks: { m: { driver_opts: { parent: eth0 } } }\nvolumes: { v: }")),
    ).toThrow("networks.m.driver_opts.parent");
  });
});
