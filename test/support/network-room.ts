/** The network room on links and rules in memory: its modules are loaded with the doubles in the place of the kernel. */

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { NO_NETWORK_SETTINGS } from "../../src/core/network-settings.ts";
import type { ContainerEndpoint, NetworkManager } from "../../src/network/network-manager.ts";
import { FakeNetworkHost } from "./fake-links.ts";
import { FakeNftables } from "./fake-nftables.ts";
import { MemoryStore } from "./memory-store.ts";

const DOOR = "../../src/linux/index.ts";

export interface NetworkRoom {
  /** The host of the current test. */
  readonly host: FakeNetworkHost;
  readonly nft: FakeNftables;
  readonly folder: string;
  readonly bridge: typeof import("../../src/network/drivers/bridge.ts");
  readonly spoofing: typeof import("../../src/network/rules/spoofing.ts");
  readonly firewall: typeof import("../../src/network/rules/firewall.ts");
  readonly forwarding: typeof import("../../src/network/rules/forwarding.ts");
  /** Makes a fresh host, which does not forward. */
  reset(): void;
  /** A manager of networks whose containers are those that the test adds. */
  manager(options?: { store?: MemoryStore; mayRouteOthers?: boolean }): Managed;
  close(): void;
}

export interface Managed {
  networks: NetworkManager;
  containers: ContainerEndpoint[];
  warnings: string[];
}

/** Call it before all tests of a file, and `close` after them. */
export async function loadNetworkRoom(): Promise<NetworkRoom> {
  vi.resetModules();
  const { BayError } = await import("../../src/core/errors.ts");
  let host: FakeNetworkHost;
  let nft: FakeNftables;
  let folder = "";
  vi.doMock(DOOR, async (original) => ({
    ...(await original<object>()),
    Links: class {
      constructor() {
        // biome-ignore lint/correctness/noConstructorReturn: the class is that of the test's own host
        return host.links() as unknown as object;
      }
    },
    nft: (text: string) => nft.run(text),
    createNamespace: (file: string) => host.door.createNamespace(file),
    isNamespace: (file: string) => host.door.isNamespace(file),
    removeNamespace: (file: string) => host.door.removeNamespace(file),
    inNamespace: <T>(file: string, action: () => T) => host.inNamespace(file, action),
  }));
  const [{ kernelFiles }, { NetworkManager: Manager }, bridge, spoofing, firewall, forwarding] =
    await Promise.all([
      import("../../src/network/kernel-files.ts"),
      import("../../src/network/network-manager.ts"),
      import("../../src/network/drivers/bridge.ts"),
      import("../../src/network/rules/spoofing.ts"),
      import("../../src/network/rules/firewall.ts"),
      import("../../src/network/rules/forwarding.ts"),
    ]);
  const drop = () => folder && rmSync(folder, { recursive: true, force: true });
  return {
    get host() {
      return host;
    },
    get nft() {
      return nft;
    },
    get folder() {
      return folder;
    },
    bridge,
    spoofing,
    firewall,
    forwarding,
    reset() {
      drop();
      folder = mkdtempSync(join(tmpdir(), "bay-network-"));
      mkdirSync(join(folder, "run/netns"), { recursive: true });
      kernelFiles.root = join(folder, "kernel");
      host = new FakeNetworkHost(kernelFiles.root);
      nft = new FakeNftables((message) => new BayError("NFTABLES", `nftables rejected a change: ${message}`));
      host.setFile("/proc/sys/net/ipv4/ip_forward", "0\n");
      host.setFile("/proc/sys/net/ipv6/conf/all/forwarding", "0\n");
    },
    manager({ store = new MemoryStore(), mayRouteOthers = false } = {}) {
      const containers: ContainerEndpoint[] = [];
      const warnings: string[] = [];
      const networks = new Manager(
        { root: folder, run: join(folder, "run"), tag: "unit0" },
        store,
        { endpoints: () => containers, balancedPorts: () => [], publishedPorts: () => [] },
        (text) => warnings.push(text),
        () => ({ mayRouteOthers, network: NO_NETWORK_SETTINGS }),
      );
      return { networks, containers, warnings };
    },
    close() {
      drop();
      kernelFiles.root = "";
      vi.doUnmock(DOOR);
      vi.resetModules();
    },
  };
}
