/** Values that have no effect, or that one container only can have, are reported. */
import { describe, expect, it } from "vitest";
import { loadText, problemsOf } from "../../../support/stack.ts";

const own = `linux/${process.arch === "x64" ? "amd64" : "arm64"}`;
const warningsOf = (platform: string) =>
  loadText(`services: { a: { image: x, platform: ${platform} } }`).warnings.map(({ message }) => message);

describe("a platform of this host", () => {
  it("with a variant has a warning", () => {
    expect(warningsOf(`${own}/v3`)).toEqual([
      `services.a.platform has no effect: bay does not distinguish variants of ${own}`,
    ]);
  });

  it("without a variant has none", () => expect(warningsOf(own)).toEqual([]));
});

describe("a fixed MAC address", () => {
  it.each([
    "scale: 2, mac_address: '02:42:ac:11:00:03'",
    "deploy: { replicas: 2 }, networks: { default: { mac_address: '02:42:ac:11:00:03' } }",
  ])("cannot be that of several containers: %s", (service) => {
    expect(problemsOf(`services: { a: { image: x, ${service} } }`)).toContain(
      "a fixed MAC address allows one container, not 2",
    );
  });

  it("can be that of one container", () => {
    const text = "services: { a: { image: x, mac_address: '02:42:ac:11:00:03' } }";
    expect(loadText(text).warnings).toEqual([]);
  });
});
