import { describe, expect, it } from "vitest";
import { registryConfigShape } from "../../../../../src/daemon/api/engine/registry-config.ts";

const HUB = { Name: "docker.io", Mirrors: [], Secure: true, Official: true };

describe("RegistryConfig of /info", () => {
  it("has Docker Hub and loopback addresses without settings", () => {
    expect(registryConfigShape({ mirrors: {}, insecure: [] })).toMatchObject({
      InsecureRegistryCIDRs: ["::1/128", "127.0.0.0/8"],
      IndexConfigs: { "docker.io": HUB },
      Mirrors: [],
    });
  });

  it("has the mirrors and the insecure registries of the settings", () => {
    const mirrors = {
      "docker.io": ["https://mirror.example", "hub.lan:5000/"],
      "ghcr.io": ["http://cache.lan"],
    };
    const shape = registryConfigShape({ mirrors, insecure: ["registry.lan:5000"] });
    expect(shape.Mirrors).toEqual(["https://mirror.example/", "https://hub.lan:5000/"]);
    expect(shape.IndexConfigs).toEqual({
      "docker.io": { ...HUB, Mirrors: shape.Mirrors },
      "ghcr.io": { Name: "ghcr.io", Mirrors: ["http://cache.lan/"], Secure: true, Official: false },
      "registry.lan:5000": { Name: "registry.lan:5000", Mirrors: [], Secure: false, Official: false },
    });
  });
});
