/** Addresses of containers: ranges, several subnets, IPv6; by name, through published ports, and out of the host. */
import { execFileSync, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually, HANGS_AFTER } from "../support/bay.ts";
import { hostState } from "../support/host-state.ts";
import { nft } from "../support/nft.ts";
import { freePort } from "../support/registry.ts";

const ip = (...args: string[]) => execFileSync("ip", args, { encoding: "utf8" });
/** Says who asked. */
const SERVER =
  "require('http').createServer((q, r) => r.end(q.socket.remoteAddress)).listen(+process.argv[1], '::')";
/** Asks by one version of IP, and says what it was told. The time is of those who are to get no answer. */
const ASK =
  "require('http').get({ host: process.argv[1], port: +process.argv[2], family: +process.argv[3], timeout: +(process.argv[4] ?? 300000) }, (r) => r.pipe(process.stdout)).on('timeout', () => process.exit(7)).on('error', (e) => { console.log(e.code); process.exit(8) })";

const fetched = (host: string, port: number) =>
  new Promise<string>((resolve, reject) => {
    get({ host, port }, (response) => {
      let text = "";
      response.on("data", (part) => (text += part));
      response.on("end", () => resolve(text));
    }).on("error", reject);
  });

describe("addresses", () => {
  const bay = new Bay();
  const box = 'image: box, command: ["sleep", "1000"], init: true, stop_grace_period: 0s';
  let before: Record<string, string>;
  const forwarding = readFileSync("/proc/sys/net/ipv6/conf/all/forwarding", "utf8").trim();

  beforeAll(() => {
    before = hostState();
    bay.busybox();
  });
  afterAll(() => {
    bay.close();
    writeFileSync("/proc/sys/net/ipv6/conf/all/forwarding", forwarding);
  });

  const up = (services: string, networks: string) => {
    bay.write(
      `name: addr\nimages: { box: { rootfs: ../busybox }, app: { host: [${process.execPath}] } }\nservices:\n${services}\nnetworks: ${networks}\n`,
    );
    return bay.ok("up", "-d");
  };
  const exec = (service: string, ...command: string[]) => bay.ok("exec", "-T", service, ...command);
  // not by a hostname, which is a number where an ID has no letters
  const addressOf = (service: string, version: 4 | 6, index = 1) =>
    /inet6? ([0-9a-f.:]+)\/\d+ .*scope global/.exec(
      bay.ok("exec", "-T", "--index", String(index), service, "ip", `-${version}`, "addr", "show", "eth0"),
    )?.[1];

  it("come from ip_range, without those of aux_addresses", () => {
    const networks = (range: string) =>
      `{ default: { ipam: { config: [{ subnet: 10.99.0.0/16, ip_range: ${range}, aux_addresses: { router: 10.99.7.0, other: 10.99.7.2 } }] } } }`;
    up(`  a: { ${box}, scale: 3 }`, networks("10.99.7.0/29"));
    const addresses = [1, 2, 3].map((index) => addressOf("a", 4, index));
    expect(addresses.sort()).toEqual(["10.99.7.1", "10.99.7.3", "10.99.7.4"]);
    const text = readFileSync(join(bay.folder, "stack/bay.yaml"), "utf8");
    bay.write(text.replace("10.99.7.0/29", "10.99.8.0/24"));
    expect(bay.ok("plan")).toContain("networks.default.ipam.ip_range: 10.99.7.0/29 -> 10.99.8.0/24");
    bay.ok("down", "-t", "0");
  });

  it("are of a second subnet where the first is full, and reach each other on the link", () => {
    const networks =
      "{ default: { internal: true, ipam: { config: [{ subnet: 10.97.0.0/30 }, { subnet: 10.97.1.0/24, gateway: 10.97.1.9 }] } } }";
    const fixed = "networks: { default: { ipv4_address: 10.97.1.77 } }";
    up(`  a: { ${box} }\n  b: { ${box}, depends_on: [a] }\n  c: { ${box}, ${fixed} }`, networks);
    expect([addressOf("a", 4), addressOf("b", 4), addressOf("c", 4)]).toEqual([
      "10.97.0.2",
      "10.97.1.1",
      "10.97.1.77",
    ]);
    expect(exec("a", "ping", "-c1", "-w60", "c")).toContain("(10.97.1.77): 56 data bytes");
    expect(exec("c", "ping", "-c1", "-w60", "10.97.0.2")).toContain("1 packets received");
    expect(bay.ok("plan")).toContain("nothing to do");
    bay.ok("down", "-t", "0");
  });

  it("have no IPv6 where it is not asked for", () => {
    up(`  a: { ${box} }`, "{}");
    expect(exec("a", "ip", "-6", "addr", "show", "eth0")).toBe("");
    bay.ok("down", "-t", "0");
  });

  it("are of a local IPv6 subnet where none is named, which stays over changes", () => {
    up(`  a: { ${box} }`, "{ default: { enable_ipv6: true } }");
    const address = addressOf("a", 6)!;
    expect(address).toMatch(/^fd[0-9a-f:]+::2$/);
    expect(bay.ok("plan")).toContain("nothing to do");
    up(`  a: { ${box} }`, "{ default: { enable_ipv6: true, internal: true } }");
    expect(addressOf("a", 6)).toBe(address);
    up(`  a: { ${box} }`, "{ default: {} }");
    expect(addressOf("a", 6)).toBeUndefined();
    bay.ok("down", "-t", "0");
  });

  it("of IPv6 are found by name, published, and leave by the host's", async () => {
    const port = await freePort();
    const outside = `${bay.tag}out`;
    const networks = (subnet: string) =>
      `{ default: { enable_ipv6: true, ipam: { config: [{ subnet: 10.98.0.0/24 }, { subnet: "${subnet}" }] } } }`;
    const services = `
  web: { image: app, command: [${process.execPath}, -e, "${SERVER}", "8080"], init: true, stop_grace_period: 0s, ports: ["${port}:8080"], networks: { default: { ipv6_address: "fd00:ba:0::80" } } }
  b: { image: app, command: [${process.execPath}, -e, "setInterval(() => {}, 1e6)"], init: true, stop_grace_period: 0s }`;
    up(services, networks("fd00:ba::/64"));
    try {
      await eventually(async () => expect(await fetched("::1", port)).toMatch(/^::ffff:10\.98\.0\.1$/));
      const ask = (host: string, to: number, version: number) =>
        exec("b", process.execPath, "-e", ASK, host, String(to), String(version));
      expect(ask("web", 8080, 6)).toBe("fd00:ba::2");
      expect(ask("web", 8080, 4)).toMatch(/^::ffff:10\.98\.0\.\d$/);
      const hosts = "process.stdout.write(require('fs').readFileSync('/etc/hosts'))";
      expect(exec("b", process.execPath, "-e", hosts)).toMatch(/^fd00:ba::2\t/m);
      const [{ NetworkSettings }] = JSON.parse(bay.ok("inspect", "addr-web-1")) as [
        { NetworkSettings: { Networks: Record<string, unknown> } },
      ];
      expect(NetworkSettings.Networks.addr_default).toMatchObject({
        GlobalIPv6Address: "fd00:ba::80",
        GlobalIPv6PrefixLen: 64,
        IPv6Gateway: "fd00:ba::1",
      });
      // a container to its own published port, by the host's address
      expect(ask("fd00:ba::1", port, 6)).toBe("fd00:ba::1");

      // another machine beside the host
      ip("netns", "add", outside);
      ip("link", "add", `bay-${bay.tag}`, "type", "veth", "peer", "name", "eth0", "netns", outside);
      ip("addr", "add", "fd00:ff::1/64", "dev", `bay-${bay.tag}`, "nodad");
      ip("link", "set", `bay-${bay.tag}`, "up");
      for (const words of ["addr add fd00:ff::2/64 dev eth0 nodad", "link set eth0 up", "link set lo up"])
        ip("-n", outside, ...words.split(" "));
      ip("-n", outside, "route", "add", "default", "via", "fd00:ff::1");
      const there = (...args: string[]) =>
        execFileSync("ip", ["netns", "exec", outside, process.execPath, "-e", ASK, ...args], {
          encoding: "utf8",
          timeout: HANGS_AFTER,
        });
      // the published port leads to the container, which sees who asks
      expect(there("fd00:ff::1", String(port), "6")).toBe("fd00:ff::2");
      // its own address is nobody's outside
      expect(() => there("fd00:ba::80", "8080", "6", "2000")).toThrow();
      const server = spawn("ip", ["netns", "exec", outside, process.execPath, "-e", SERVER, "8081"]);
      try {
        await eventually(() => expect(ask("fd00:ff::2", 8081, 6)).toBe("fd00:ff::1"));
      } finally {
        server.kill("SIGKILL");
      }
      expect(bay.ok("plan")).toContain("nothing to do");

      // what somebody takes away comes back
      const bridge = /^\d+: (\S+): .*bay network addr_default/m.exec(ip("-o", "link"))?.[1];
      expect(bridge).toBeTruthy();
      ip("-6", "addr", "del", "fd00:ba::1/64", "dev", bridge!);
      await eventually(() => expect(ip("-6", "addr", "show", "dev", bridge!)).toContain("fd00:ba::1/64"));
      nft("flush", "table", "ip6", `bay_${bay.tag}`);
      await eventually(() => expect(there("fd00:ff::1", String(port), "6")).toBe("fd00:ff::2"));

      bay.write(readFileSync(join(bay.folder, "stack/bay.yaml"), "utf8").replaceAll("fd00:ba:", "fd00:bb:"));
      expect(bay.ok("plan")).toContain("networks.default.ipam.config: fd00:ba::/64 -> fd00:bb::/64");
      bay.ok("up", "-d");
      expect(ask("web", 8080, 6)).toBe("fd00:bb::2");
    } finally {
      for (const words of [`link del bay-${bay.tag}`, `netns del ${outside}`])
        try {
          ip(...words.split(" "));
        } catch {
          // it was not made
        }
    }
    bay.ok("down", "-t", "0");
  });

  it("leaves nothing behind", async () => {
    bay.ok("daemon", "stop");
    await eventually(() => expect(hostState()).toEqual(before));
  });
});
