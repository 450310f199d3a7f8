/** Keys of daemon.json about networks and name servers: what containers get, and bay daemon --validate. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EngineRoom } from "../support/engine-room.ts";

describe("daemon.json", () => {
  let room: EngineRoom;
  let folder = "";
  const write = (settings: object) => writeFileSync(join(folder, "daemon.json"), JSON.stringify(settings));

  beforeAll(async () => {
    room = await EngineRoom.open(({ folder: own, env }) => {
      folder = join(own, "config");
      mkdirSync(folder);
      env.BAY_CONFIG = folder;
      write({
        bip: "10.217.9.1/24",
        "default-address-pools": [{ base: "10.218.0.0/20", size: 24 }],
        dns: ["192.0.2.53"],
        "dns-search": ["corp.test"],
        "dns-opts": ["timeout:1"],
        "live-restore": true,
      });
    });
  });
  afterAll(() => room.close());

  it("sets the subnets of the default network and of new networks", () => {
    const { bay } = room;
    const address = (...words: string[]) =>
      bay.ok("container", "run", "--rm", ...words, "box", "ip", "-o", "-4", "addr");
    expect(address()).toMatch(/ 10\.217\.9\.\d+\/24 /);
    bay.ok("network", "create", "one");
    bay.ok("network", "create", "two");
    expect(address("--network", "one")).toContain(" 10.218.0.2/24 ");
    expect(address("--network", "two")).toContain(" 10.218.1.2/24 ");
    bay.ok("network", "rm", "one", "two");
  });

  it("sets the name servers, search domains and options of containers that have none", () => {
    const resolv = (...words: string[]) =>
      room.bay.ok(
        "container",
        "run",
        "--rm",
        "--network",
        "host",
        ...words,
        "box",
        "cat",
        "/etc/resolv.conf",
      );
    expect(resolv()).toBe("nameserver 192.0.2.53\nsearch corp.test\noptions timeout:1\n");
    expect(resolv("--dns", "192.0.2.9", "--dns-search", "own.test", "--dns-option", "debug")).toBe(
      "nameserver 192.0.2.9\nsearch own.test\noptions debug\n",
    );
  });

  it("is checked by bay daemon --validate, with all problems at once", () => {
    const { bay } = room;
    expect(bay.ok("daemon", "--validate")).toContain("configuration OK");
    const other = join(folder, "other.json");
    writeFileSync(other, JSON.stringify({ bip: "x", "userns-remap": "y", nosuch: 1 }));
    const { code, err } = bay.run(["daemon", "--validate", "--config-file", other]);
    expect(code).toBe(1);
    expect(err).toContain("userns-remap is not supported: bay does not map users");
    expect(err).toContain("unknown key nosuch");
    writeFileSync(other, JSON.stringify({ bip: "x", dns: ["y"] }));
    expect(bay.run(["daemon", "--validate", "--config-file", other]).err).toMatch(/bip: .*dns\.0: /s);
    expect(bay.run(["daemon", "--config-file", other]).err).toContain("works only with --validate");
  });
});
