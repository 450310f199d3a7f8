import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { endOrder } from "../../../../src/container/lifecycle/shutdown.ts";
import { LABELS } from "../../../../src/container/model/config.ts";
import type { ContainerRecord } from "../../../../src/container/model/record.ts";

const record = (service: string, dependsOn: string[], networkMode = "bridge", stack = "s") =>
  ({
    id: `id-${stack}-${service}`,
    config: {
      name: `${stack}-${service}-1`,
      networkMode,
      pidMode: "private",
      ipcMode: "private",
      labels: {
        [LABELS.stack]: stack,
        [LABELS.service]: service,
        [LABELS.dependsOn]: dependsOn.map((name) => `${name}:service_started:false`).join(","),
      },
    },
  }) as unknown as ContainerRecord;

const orderOf = (records: ContainerRecord[]) =>
  endOrder(records).map(({ record, after }) => [
    record.config.labels[LABELS.service],
    after.map(({ config }) => config.labels[LABELS.service]),
  ]);

describe("the order in which all containers stop", () => {
  it("has dependants first, and containers that share a namespace before its owner", () => {
    const records = [
      record("db", []),
      record("web", ["app"]),
      record("app", ["db"]),
      record("rider", [], "container:id-s-app"),
    ];
    expect(orderOf(records)).toEqual([
      ["web", []],
      ["rider", []],
      ["app", ["web", "rider"]],
      ["db", ["app"]],
    ]);
  });

  it("does not mix up services of the same name in other stacks", () => {
    expect(orderOf([record("db", []), record("app", ["db"], "bridge", "other")])).toEqual([
      ["db", []],
      ["app", []],
    ]);
  });

  it("contains each container once, with any labels, and waits only for earlier ones", () => {
    const names = ["a", "b", "c", "d", "e"];
    const dependencies = fc.array(fc.subarray(names), { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(dependencies, (lists) => {
        const records = names.map((name, index) => record(name, lists[index]!));
        const order = endOrder(records);
        expect(new Set(order.map(({ record }) => record))).toEqual(new Set(records));
        order.forEach(({ after }, index) => {
          const before = order.slice(0, index).map(({ record }) => record);
          for (const other of after) expect(before).toContain(other);
        });
      }),
    );
  });
});
