/** Addresses that stack files fix: no other container gets them, whatever starts first. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay } from "../support/bay.ts";

describe("a fixed address", () => {
  const bay = new Bay();
  const box = "image: box, command: sleep 1000, init: true, stop_grace_period: 0s";
  beforeAll(() => bay.busybox());
  afterAll(() => bay.close());
  const write = (services: string) =>
    bay.write(`name: fixed
images: { box: { rootfs: ../busybox } }
services:
${services}
networks: { default: { ipam: { config: [{ subnet: 10.99.73.0/24 }] } } }
`);
  const addressOf = (service: string, index = 1) =>
    /inet ([0-9.]+)\//.exec(
      bay.ok("exec", "-T", "--index", String(index), service, "ip", "-4", "addr", "show", "eth0"),
    )?.[1];
  const fixed = (address: string) => `networks: { default: { ipv4_address: ${address} } }`;

  it("is left for its service by one that starts before it", () => {
    write(
      `  dyn: { ${box}, scale: 2 }\n  fix: { ${box}, depends_on: [dyn], ${fixed("10.99.73.2")} }\n  late: { ${box}, depends_on: [fix], ${fixed("10.99.73.4")} }`,
    ).ok("up", "-d");
    expect([1, 2].map((index) => addressOf("dyn", index)).sort()).toEqual(["10.99.73.3", "10.99.73.5"]);
    expect(addressOf("fix")).toBe("10.99.73.2");
    expect(addressOf("late")).toBe("10.99.73.4");
  });
  it("is left for its service while it has no container, also by one-off containers", () => {
    bay.ok("rm", "-s", "-f", "fix");
    expect(bay.ok("run", "--rm", "-T", "dyn", "ip", "-4", "addr", "show", "eth0")).not.toContain(
      "10.99.73.2/",
    );
    bay.ok("up", "-d", "--scale", "dyn=4");
    expect(addressOf("fix")).toBe("10.99.73.2");
  });
});
