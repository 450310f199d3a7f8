/** Which containers get the connections to a port of a stack on several hosts. */
import { describe, expect, it } from "vitest";
import { Ingress } from "../../../src/container/lifecycle/ingress.ts";
import type { Host } from "../../../src/container/model/host.ts";
import type { RemoteNames } from "../../../src/container/model/names.ts";

const LABELS = { "com.docker.compose.project": "shop", "com.docker.compose.service": "web" };
const PORT = { service: "web", hostAddress: "", hostPort: 80, containerPort: 8080, protocol: "tcp" as const };

const local = (address: string, rest: object = {}) => ({
  id: address,
  config: { labels: LABELS },
  state: { status: "running" },
  endpoints: [{ network: "local", address }],
  ...rest,
});
const remote = (address: string, rest: Partial<RemoteNames> = {}): RemoteNames => ({
  id: address,
  name: address,
  stack: "shop",
  service: "web",
  status: "running",
  health: "none",
  isSilent: false,
  endpoints: [{ network: "shop_net", address, aliases: [] }],
  ...rest,
});

function targets(own: object[], others: RemoteNames[], health = "starting"): readonly string[] {
  const host = {
    store: { list: () => [{ stack: "shop", ports: [{ ...PORT, networks: ["shop_net"] }] }] },
    records: { list: () => own },
    sessions: { health: () => ({ status: health }) },
  } as unknown as Host;
  return new Ingress(
    host,
    () => others,
    () => {},
  ).list()[0]!.targets;
}

describe("targets of a port of all hosts", () => {
  const checked = { config: { labels: LABELS, health: {} } };

  it("are the healthy containers of this host, or else those of the other hosts", () => {
    expect(targets([local("1"), local("2")], [remote("3")])).toEqual(["1", "2"]);
    expect(targets([], [remote("3"), remote("4")])).toEqual(["3", "4"]);
    expect(targets([local("1", checked)], [remote("3")])).toEqual(["3"]);
    expect(targets([local("1", checked)], [remote("3")], "healthy")).toEqual(["1"]);
  });

  it("are those that are left if none is healthy, and those of a silent host last", () => {
    expect(targets([local("1", checked)], [remote("3", { health: "unhealthy" })])).toEqual(["1"]);
    expect(targets([], [remote("3", { isSilent: true }), remote("4", { health: "unhealthy" })])).toEqual([
      "4",
    ]);
    expect(targets([], [remote("3", { isSilent: true })])).toEqual(["3"]);
    expect(targets([], [])).toEqual([]);
  });

  it("are not containers of other services and stacks, containers that are replaced, or ones that cannot be reached", () => {
    const others = [
      remote("3", { service: "db" }),
      remote("4", { stack: "other" }),
      remote("5", { endpoints: [{ network: "far", address: "5", aliases: [] }] }),
    ];
    expect(targets([local("1", { role: "retiring" })], others)).toEqual([]);
    expect(targets([local("1", { state: { status: "exited" } })], others)).toEqual([]);
  });
});
