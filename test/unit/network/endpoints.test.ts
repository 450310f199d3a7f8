import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Endpoints } from "../../../src/network/endpoints.ts";
import type { Endpoint, NetworkRecord } from "../../../src/network/model/network.ts";
import { type LinkDoor, linksContract } from "../../contracts/links.ts";
import { FakeNetworkHost } from "../../support/fake-links.ts";

linksContract("in memory", () => new FakeNetworkHost().door as unknown as LinkDoor);

const DOOR = "../../../src/linux/index.ts";
let kernel = new FakeNetworkHost();
let EndpointsClass: typeof Endpoints;
beforeAll(async () => {
  vi.resetModules();
  vi.doMock(DOOR, async (original) => ({
    ...(await original<object>()),
    Links: class {
      constructor() {
        // biome-ignore lint/correctness/noConstructorReturn: the class is that of the test's own host
        return kernel.links() as unknown as object;
      }
    },
    createNamespace: (file: string) => kernel.door.createNamespace(file),
    isNamespace: (file: string) => kernel.door.isNamespace(file),
    removeNamespace: (file: string) => kernel.door.removeNamespace(file),
    inNamespace: <T>(file: string, action: () => T) => kernel.inNamespace(file, action),
  }));
  ({ Endpoints: EndpointsClass } = await import("../../../src/network/endpoints.ts"));
});
afterAll(() => {
  vi.doUnmock(DOOR);
  vi.resetModules();
});

const network = (name: string, third: number, internal = false): NetworkRecord => ({
  id: name.padEnd(64, "0"),
  createdAt: "2026-01-02T03:04:05Z",
  config: {
    name,
    stack: undefined,
    key: name,
    driver: "bridge",
    internal,
    mtu: undefined,
    subnet: undefined,
    gateway: undefined,
    labels: {},
  },
  subnet: `10.9.${third}.0/29`,
  gateway: `10.9.${third}.1`,
  bridge: `br-${name}`,
});

describe("the endpoints of containers", () => {
  const networks = [network("inner", 1, true), network("front", 2), network("back", 3)];
  let folder: string;
  let given: { container: string; id: string; isRunning: boolean; endpoint: Endpoint }[];
  let guards: string[];
  let endpoints: Endpoints;
  const allocate = (name: string, wanted: Partial<Endpoint> & { ipv4?: string } = {}) => {
    const endpoint = endpoints.allocate(name, { aliases: [], ...wanted }, given.length);
    given.push({ container: "web", id: "c1", isRunning: true, endpoint });
    return endpoint;
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "bay-endpoints-"));
    mkdirSync(join(folder, "netns"));
    kernel = new FakeNetworkHost();
    given = [];
    guards = [];
    const links = kernel.links();
    for (const { bridge } of networks) {
      links.addBridge(bridge, undefined, "");
      links.setUp(links.byName(bridge)!.index);
    }
    endpoints = new EndpointsClass({
      roots: { root: folder, run: folder, tag: "unit" },
      directory: { endpoints: () => given, publishedPorts: () => [] },
      require: (name: string) => networks.find(({ config }) => config.name === name)!,
      get: (name: string) => networks.find(({ config }) => config.name === name),
      fixedAddresses: () => new Set(["10.9.2.2"]),
      spoofing: {
        add: ({ network: name }: Endpoint) => guards.push(`add ${name}`),
        remove: ({ network: name }: Endpoint) => guards.push(`remove ${name}`),
      },
    } as unknown as ConstructorParameters<typeof Endpoints>[0]);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("never share an address, and do not get those that stack files reserve", () => {
    const addresses = Array.from({ length: 4 }, () => allocate("front").address);
    expect(addresses).toEqual(["10.9.2.3", "10.9.2.4", "10.9.2.5", "10.9.2.6"]);
    expect(() => allocate("front")).toThrow(expect.objectContaining({ code: "NO_ADDRESS" }));
    expect(allocate("front", { ipv4: "10.9.2.2" }).address).toBe("10.9.2.2");
    expect(() => allocate("front", { ipv4: "10.9.2.3" })).toThrow(
      expect.objectContaining({ code: "ADDRESS_TAKEN" }),
    );
    expect(() => allocate("front", { ipv4: "10.9.3.3" })).toThrow(
      expect.objectContaining({ code: "BAD_ADDRESS" }),
    );
  });

  it("use the first network with access to the outside, or the one with the highest priority", () => {
    const all = [allocate("inner"), allocate("front"), allocate("back")];
    const file = endpoints.setUp("c1", all);
    expect(kernel.defaultRoutes(file)).toEqual(["10.9.2.1"]);
    endpoints.setUp("c1", [all[0]!, all[1]!, { ...all[2]!, gatewayPriority: 1 }]);
    expect(kernel.defaultRoutes(file)).toEqual(["10.9.3.1"]);
    endpoints.setUp("c1", [all[0]!]);
    expect(kernel.defaultRoutes(file)).toEqual([]);
  });

  it("are guarded against spoofing, unless they may spoof", () => {
    const one = allocate("front");
    endpoints.setUp("c1", [one, { ...allocate("back"), maySpoof: true }]);
    expect(guards).toEqual(["add front", "remove back"]);
  });

  it("are connected again if a link remains", () => {
    const endpoint = allocate("front");
    endpoints.setUp("c1", [endpoint]);
    const before = kernel.links().byName(endpoint.link)!;
    endpoints.connect("c1", endpoint);
    const after = kernel.links().byName(endpoint.link)!;
    expect(after.index).not.toBe(before.index);
    expect(after.master).toBe(kernel.links().byName("br-front")!.index);
  });

  it("leave no link behind", () => {
    const endpoint = allocate("front");
    endpoints.setUp("c1", [endpoint]);
    endpoints.disconnect(endpoint);
    expect(kernel.links().byName(endpoint.link)).toBeUndefined();
    endpoints.setUp("c1", [endpoint]);
    endpoints.tearDown("c1");
    expect(kernel.links().byName(endpoint.link)).toBeUndefined();
    endpoints.reconnect("c1", endpoint, [endpoint]); // the container ended meanwhile
    expect(kernel.links().byName(endpoint.link)).toBeUndefined();
  });
});
