/** The contract of network drivers: what endpoints rely on, by the kernel in a namespace of its own and by links in memory. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type * as Bridge from "../../src/network/drivers/bridge.ts";
import type { Endpoint, NetworkConfig, NetworkRecord } from "../../src/network/model/network.ts";
import type { LinkDoor } from "./links.ts";

/** A driver, and the host on which it acts. */
export interface DriverOnHost {
  driver: Pick<
    typeof Bridge,
    "ensureBridge" | "connectEndpoint" | "removeLink" | "routeBy" | "setLoopbackUp" | "withLinks"
  >;
  door: LinkDoor;
}

const NETWORK: NetworkRecord = {
  id: "1".repeat(64),
  createdAt: "2026-01-02T03:04:05Z",
  config: {
    name: "contract_default",
    stack: "contract",
    key: "default",
    driver: "bridge",
    internal: false,
    subnet: undefined,
    gateway: undefined,
    mtu: 1400,
    labels: {},
  },
  subnet: "10.98.7.0/24",
  gateway: "10.98.7.1",
  bridge: "baycontr-111111",
};
const ENDPOINT: Endpoint = {
  network: NETWORK.config.name,
  networkId: NETWORK.id,
  address: "10.98.7.2",
  mac: "02:42:0a:62:07:02",
  link: "vecontr00000001",
  interface: "eth0",
  aliases: [],
};
const dual = (more: Partial<NetworkConfig> = {}): NetworkRecord => ({
  ...NETWORK,
  config: { ...NETWORK.config, ipv6: true, ...more },
  further: [{ subnet: "fd98:7::/64", gateway: "fd98:7::1" }],
});

/** `adapt` makes a network of the kind under test from a plain bridge; what its containers see must not differ. */
export function networkDriverContract(
  name: string,
  open: () => Promise<DriverOnHost>,
  adapt: (network: NetworkRecord) => NetworkRecord = (network) => network,
): void {
  describe(`the contract of network drivers: ${name}`, () => {
    let folder: string;
    let door: LinkDoor;
    let driver: DriverOnHost["driver"];
    let [host, container] = ["", ""];
    /** Everything happens in a namespace that stands for the host's. */
    const onHost = <T>(action: () => T): T => door.inNamespace(host, action);
    const linksOn = <T>(file: string, action: Parameters<typeof Bridge.withLinks<T>>[0]) =>
      onHost(() => driver.withLinks(action, file));
    const linkOn = (file: string, link: string) => linksOn(file, (links) => links.byName(link));
    const addressesOn = (file: string, link: string) =>
      linksOn(file, (links) => {
        const { index } = links.byName(link)!;
        return links
          .addresses()
          .filter(({ linkIndex, address }) => linkIndex === index && !address.startsWith("fe80:"))
          .map(({ address, prefix }) => `${address}/${prefix}`)
          .sort();
      });
    const ensure = (network: NetworkRecord, isThorough = false) =>
      onHost(() =>
        driver.withLinks((links) =>
          driver.ensureBridge(adapt(network), links, isThorough ? links.list() : undefined),
        ),
      );
    const connect = (network: NetworkRecord, endpoint: Endpoint, isDefault = false) =>
      onHost(() => driver.connectEndpoint(adapt(network), endpoint, container, isDefault));

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), "bay-driver-"));
      ({ driver, door } = await open());
      [host, container] = [join(folder, "host"), join(folder, "container")];
      for (const file of [host, container]) door.createNamespace(file);
    });
    afterEach(() => {
      for (const file of [container, host]) door.removeNamespace(file);
      rmSync(folder, { recursive: true });
    });

    it("creates a network once, with the gateway's address and the size of packets", () => {
      expect(ensure(NETWORK)).toBe(true);
      expect(linkOn(host, NETWORK.bridge)).toMatchObject({ kind: "bridge", mtu: 1400, isUp: true });
      expect(addressesOn(host, NETWORK.bridge)).toEqual(["10.98.7.1/24"]);
      expect([ensure(NETWORK), ensure(NETWORK, true)]).toEqual([false, false]);
    });

    it("creates a network of both IP versions", () => {
      ensure(dual());
      expect(addressesOn(host, NETWORK.bridge)).toEqual(["10.98.7.1/24", "fd98:7::1/64"]);
      expect(ensure(dual(), true)).toBe(false);
    });

    it("gives the host no IPv4 address on request", () => {
      ensure(dual({ options: { inhibitIpv4: true } }));
      expect(addressesOn(host, NETWORK.bridge)).toEqual(["fd98:7::1/64"]);
    });

    it("notices a gateway that is missing only when it looks at everything, and adds it", () => {
      ensure(NETWORK);
      expect([ensure(dual()), ensure(dual(), true)]).toEqual([false, true]);
      expect(addressesOn(host, NETWORK.bridge)).toEqual(["10.98.7.1/24", "fd98:7::1/64"]);
    });

    it("creates a removed network again, and removes an absent one without an error", () => {
      ensure(NETWORK);
      onHost(() => driver.removeLink(NETWORK.bridge));
      expect(linkOn(host, NETWORK.bridge)).toBeUndefined();
      onHost(() => driver.removeLink(NETWORK.bridge));
      expect(ensure(NETWORK, true)).toBe(true);
    });

    it("connects a container by its address and MAC address, on a port of the network", () => {
      ensure(NETWORK);
      connect(NETWORK, ENDPOINT);
      const port = linkOn(host, ENDPOINT.link)!;
      expect(port).toMatchObject({ kind: "veth", isUp: true, mtu: 1400 });
      expect(port.master).toBe(linkOn(host, NETWORK.bridge)!.index);
      expect(linkOn(container, "eth0")).toMatchObject({ isUp: true, mac: ENDPOINT.mac, mtu: 1400 });
      expect(addressesOn(container, "eth0")).toEqual(["10.98.7.2/24"]);
    });

    it("connects a container with IPv6, and with the routes to the network's other subnets", () => {
      const network = {
        ...dual(),
        further: [...dual().further!, { subnet: "10.99.0.0/16", gateway: "10.99.0.1" }],
      };
      ensure(network);
      connect(network, { ...ENDPOINT, address6: "fd98:7::2" }, true);
      expect(addressesOn(container, "eth0")).toEqual(["10.98.7.2/24", "fd98:7::2/64"]);
      const routes = linksOn(container, (links) => links.routes());
      expect(routes).toContainEqual({ destination: "10.99.0.0", prefix: 16 });
    });

    it("replaces a link that an earlier attempt left", () => {
      ensure(NETWORK);
      connect(NETWORK, ENDPOINT);
      const before = linkOn(host, ENDPOINT.link)!.index;
      connect(NETWORK, ENDPOINT);
      expect(linkOn(host, ENDPOINT.link)!.index).not.toBe(before);
      expect(addressesOn(container, "eth0")).toEqual(["10.98.7.2/24"]);
    });

    it("disconnects both ends", () => {
      ensure(NETWORK);
      connect(NETWORK, ENDPOINT);
      onHost(() => driver.removeLink(ENDPOINT.link));
      expect([linkOn(host, ENDPOINT.link), linkOn(container, "eth0")]).toEqual([undefined, undefined]);
    });

    it("connects two networks, and changes the default route between them", () => {
      const second: NetworkRecord = {
        ...NETWORK,
        config: { ...NETWORK.config, name: "contract_second" },
        subnet: "10.98.8.0/24",
        gateway: "10.98.8.1",
        bridge: "baycontr-222222",
      };
      ensure(NETWORK);
      ensure(second);
      onHost(() => driver.setLoopbackUp(container));
      connect(NETWORK, ENDPOINT, true);
      connect(second, { ...ENDPOINT, address: "10.98.8.2", link: "vecontr00000002", interface: "eth1" });
      onHost(() => driver.routeBy([second.gateway], container));
      expect(linkOn(container, "lo")).toMatchObject({ isUp: true });
      expect(addressesOn(container, "eth1")).toEqual(["10.98.8.2/24"]);
    });
  });
}
