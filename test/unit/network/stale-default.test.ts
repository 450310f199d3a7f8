/** A change of daemon.json that the default network does not have yet. */
import { describe, expect, it } from "vitest";
import { staleDefault } from "../../../src/network/model/stale-default.ts";

const record = { subnet: "172.30.0.0/24", gateway: "172.30.0.1" };
const bridge = { subnet: "172.30.0.0/24", gateway: "172.30.0.1" };
const pool = (base: string) => ({ bridge: undefined, pools: [{ base, size: 24 }] });

describe("a warning about the default network", () => {
  it("is not given for the addresses of the settings", () => {
    expect(staleDefault(record, { bridge: undefined, pools: undefined })).toBeUndefined();
    expect(staleDefault(record, { bridge, pools: undefined })).toBeUndefined();
    expect(staleDefault(record, { ...pool("10.0.0.0/8"), bridge })).toBeUndefined();
    expect(staleDefault(record, pool("172.30.0.0/16"))).toBeUndefined();
    expect(staleDefault(record, pool("172.30.0.0/24"))).toBeUndefined();
  });

  it("names the key that does not apply yet", () => {
    const other = { subnet: "172.31.0.0/24", gateway: "172.31.0.1" };
    for (const changed of [other, { ...bridge, gateway: "172.30.0.2" }])
      expect(staleDefault(record, { bridge: changed, pools: undefined })).toMatch(
        /^bip: the default network still has the subnet 172\.30\.0\.0\/24 and the gateway 172\.30\.0\.1; /,
      );
    for (const base of ["10.0.0.0/8", "172.30.0.0/25"])
      expect(staleDefault(record, pool(base))).toMatch(/^default-address-pools: .* 172\.30\.0\.0\/24; /);
  });
});
