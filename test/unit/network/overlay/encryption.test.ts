import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { NetworkRecord } from "../../../../src/network/model/network.ts";
import {
  configText,
  encrypted,
  equalsDump,
  wantedPeers,
} from "../../../../src/network/overlay/encryption.ts";
import { tunnelKey } from "../../../../src/network/overlay/tunnel-key.ts";
import { renderTunnelGuard } from "../../../../src/network/rules/tunnel-guard.ts";

const peers = [
  { name: "b", slot: 1, address: "192.0.2.2", wireguardKey: `${"B".repeat(43)}=` },
  { name: "c", slot: 255, address: "2001:db8::3", wireguardKey: `${"C".repeat(43)}=` },
  { name: "d", slot: 3, address: "192.0.2.4" },
];

describe("encryption of overlay networks", () => {
  it("leads only to members whose key is known, by addresses that follow from their slots", () => {
    const inside = encrypted({
      self: { name: "a", slot: 0, address: "192.0.2.1" },
      peers: () => peers,
      endpoints: () => [],
    });
    expect(inside.self.address).toBe("fd62:6179:7767::1");
    expect(inside.peers().map(({ address }) => address)).toEqual([
      "fd62:6179:7767::2",
      "fd62:6179:7767::100",
    ]);
  });

  it("compares what wg shows with the members, in any order", () => {
    const wanted = wantedPeers(peers);
    const line = (key: string, endpoint: string, allowed: string) =>
      [key, "(none)", endpoint, allowed, "0", "0", "0", "off"].join("\t");
    const own = ["secret", "told", "51830", "off"].join("\t");
    const [b, c] = wanted.map(({ key, endpoint, allowed }) => line(key, endpoint, allowed));
    expect(equalsDump([own, c, b].join("\n"), "told", wanted)).toBe(true);
    expect(equalsDump([own, b].join("\n"), "told", wanted)).toBe(false);
    expect(equalsDump([own, b, c, line("stale", "192.0.2.9:1", "::/0")].join("\n"), "told", wanted)).toBe(
      false,
    );
    expect(equalsDump([own, b, c].join("\n"), "another", wanted)).toBe(false);
  });

  it("configures the endpoint of each member, in brackets for IPv6", () => {
    const text = configText("secret", wantedPeers(peers));
    expect(text).toContain("Endpoint = 192.0.2.2:51830\nAllowedIPs = fd62:6179:7767::2/128\n");
    expect(text).toContain("Endpoint = [2001:db8::3]:51830\nAllowedIPs = fd62:6179:7767::100/128\n");
    expect(text.match(/\[Peer\]/g)).toHaveLength(2);
  });

  it("drops plain packets of the network in both directions", () => {
    const network = {
      id: "abcdef",
      bridge: "bay00000-abcdef",
      subnet: "10.90.0.0/16",
      config: { name: "n", overlay: { encapsulation: "vxlan", id: 7, port: 4789, isEncrypted: true } },
    } as unknown as NetworkRecord;
    const rules = renderTunnelGuard("00000", { networks: [network], peers, endpoints: [] });
    expect(rules).toContain('iifname != "bw00000" udp dport 4789 @th,96,24 7 counter drop');
    expect(rules).toContain('oifname != "bw00000" udp dport 4789 @th,96,24 7 counter drop');
  });

  it("makes a key once, which only its owner can read", () => {
    const folder = mkdtempSync(join(tmpdir(), "bay-key-"));
    const file = join(folder, "host", "wireguard.key");
    const key = tunnelKey(file);
    expect(key.told).toMatch(/^[A-Za-z0-9+/]{43}=$/);
    expect(key.secret).not.toBe(key.told);
    expect(tunnelKey(file)).toEqual(key);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    rmSync(folder, { recursive: true });
  });
});
