/**
 * Published faults of container networks. bay runs on a host of its own, which is a network namespace with another machine
 * beside it, so that the host's rules and kernel parameters can be changed without harm.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packAddress } from "../../src/core/ip.ts";
import { Bay, eventually, HANGS_AFTER } from "../support/bay.ts";
import { enter, Machine } from "../support/machines.ts";
import { Wire } from "../support/wire.ts";

const SERVE =
  "require('http').createServer((q, r) => r.end('answered')).listen(+process.argv[1], process.argv[2])";
/** Milliseconds for an answer that must come, and for one that must not. */
const [PATIENCE, SILENCE] = [300_000, 3000];
/** Says what was answered; says nothing where no answer came. */
const ASK =
  "require('http').get({ host: process.argv[1], port: +process.argv[2], timeout: +process.argv[3] }, (r) => r.pipe(process.stdout)).on('timeout', () => process.exit(0)).on('error', () => process.exit(0))";
const [LOCAL, OPEN, PRIVATE] = ["18080", "18081", "18082"];

describe("a container network", () => {
  const id = `t${process.pid.toString(36)}`;
  const host = new Machine(`${id}h`);
  const neighbour = new Machine(`${id}n`);
  const bay = new Bay(host.file);
  let service: ChildProcess;
  const app = `image: app, command: [${process.execPath}, -e, "${SERVE}", "8080", "0.0.0.0"], init: true, stop_grace_period: 0s`;
  const box = "image: box, command: sleep 1000, init: true, stop_grace_period: 0s";

  beforeAll(async () => {
    host.join(neighbour, "192.0.2.1/24", "192.0.2.2/24");
    neighbour.ip("route add default via 192.0.2.1");
    service = spawn("nsenter", [`--net=${host.file}`, process.execPath, "-e", SERVE, PRIVATE, "127.0.0.1"]);
    bay.busybox();
    bay
      .write(`
name: faults
images: { box: { rootfs: ../busybox }, app: { host: [${process.execPath}] } }
services:
  web: { ${app}, networks: [front], ports: ["127.0.0.1:${LOCAL}:8080", "${OPEN}:8080"] }
  back: { ${app}, networks: [back] }
  sealed: { ${app}, networks: [sealed] }
  plain: { ${box}, networks: [front] }
  router: { ${box}, networks: [six], x-bay: { spoofing: allow } }
networks: { front: {}, back: {}, sealed: { internal: true }, six: { enable_ipv6: true } }
`)
      .ok("up", "-d");
    await eventually(async () =>
      expect(await ask(host.file, "127.0.0.1", PRIVATE, SILENCE)).toBe("answered"),
    );
    await eventually(async () => expect(await ask(host.file, "127.0.0.1", LOCAL, SILENCE)).toBe("answered"));
    for (const name of ["back", "sealed"])
      await eventually(async () =>
        expect(await ask(host.file, addressOf(name), "8080", SILENCE)).toBe("answered"),
      );
  });
  afterAll(() => {
    service?.kill("SIGKILL");
    bay.close();
    neighbour.close();
    host.close();
  });

  const say = (file: string, ...command: string[]) => enter(file, command).out;
  /** The file of a container's network namespace; who enters it can do more there than any container. */
  const inside = (name: string) => `/proc/${bay.ps().find(({ Service }) => Service === name)!.Pid}/ns/net`;
  const addressOf = (name: string) =>
    /inet (\S+)\//.exec(say(inside(name), "ip", "-o", "addr", "show", "eth0"))![1]!;
  const ask = (file: string, to: string, port: string, patience = PATIENCE) =>
    new Promise<string>((resolve, reject) => {
      const words = [`--net=${file}`, process.execPath, "-e", ASK, to, port, String(patience)];
      execFile("nsenter", words, { timeout: HANGS_AFTER }, (error, out) =>
        error ? reject(error) : resolve(out),
      );
    });
  /** All at once, as each waits for an answer that must not come. */
  const expectSilence = async (paths: readonly (readonly [from: string, to: string, port: string])[]) => {
    const answers = await Promise.all(paths.map((path) => ask(...path, SILENCE)));
    expect(paths.filter((_, index) => answers[index] !== "")).toEqual([]);
  };
  /** Sends what is for 127.0.0.1 to the gateway, as only a hostile machine does. */
  const sendLoopbackTo = (file: string, gateway: string) => {
    for (const command of [
      "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet",
      "ip addr del 127.0.0.1/8 dev lo",
      `ip route add 127.0.0.1/32 via ${gateway}`,
    ])
      say(file, "sh", "-c", command);
  };
  const gatewayOf = (name: string) =>
    /default via (\S+)/.exec(say(inside(name), "ip", "route", "show", "default"))![1]!;
  const bridgeOf = (network: string) =>
    new RegExp(`^\\d+: (\\S+): .*bay network faults_${network}\\b`, "m").exec(host.ip("-o link"))![1]!;

  /** What must hold before and after the rules are reloaded. */
  const expectIsolation = async () => {
    const [web, back, sealed] = ["web", "back", "sealed"].map(addressOf) as [string, string, string];
    const [inFront, inBack, inSealed] = ["plain", "back", "sealed"].map(inside) as [string, string, string];
    // a path that is open answers, so that the silence of the others is that of the rules
    expect(await ask(neighbour.file, "192.0.2.1", OPEN)).toBe("answered");
    expect(await ask(inFront, web, "8080")).toBe("answered");
    // through the bridge and back to where it came from, which br_netfilter makes a matter of hairpin mode
    expect(await ask(inside("web"), gatewayOf("web"), OPEN)).toBe("answered");
    await expectSilence([
      // what is published on 127.0.0.1 is not for another machine, by no address
      [neighbour.file, "192.0.2.1", LOCAL],
      [neighbour.file, "127.0.0.1", LOCAL],
      [neighbour.file, web, LOCAL],
      [neighbour.file, web, "8080"],
      [neighbour.file, back, "8080"],
      [neighbour.file, sealed, "8080"],
      [inFront, back, "8080"],
      [inFront, sealed, "8080"],
      [inBack, web, "8080"],
      [inSealed, web, "8080"],
    ]);
  };

  it("allows no access to 127.0.0.1 of the host (CVE-2020-8558)", async () => {
    sendLoopbackTo(neighbour.file, "192.0.2.1");
    sendLoopbackTo(inside("plain"), gatewayOf("plain"));
    await expectSilence(
      [neighbour.file, inside("plain")].flatMap((from) =>
        [PRIVATE, LOCAL].map((port) => [from, "127.0.0.1", port] as const),
      ),
    );
    expect(await ask(host.file, "127.0.0.1", PRIVATE)).toBe("answered");
    expect(await ask(host.file, "127.0.0.1", LOCAL)).toBe("answered");
  });

  it("keeps what is published on 127.0.0.1 from other machines (CVE-2025-54388)", () => expectIsolation());

  it.each([
    ["all rules are flushed", "flush ruleset"],
    ["a chain is emptied", "flush chain ip TABLE forward"],
    ["a chain accepts first", "insert rule ip TABLE forward accept"],
    ["the guard is deleted", "delete chain ip TABLE guard"],
  ])("is isolated again within seconds after another program changes rules: %s (CVE-2025-54410)", async (_, change) => {
    const table = `bay_${bay.tag}`;
    // without counters, and without the order of tables and of elements, which the kernel chooses
    const rules = () =>
      host
        .ok("nft", "-s", "list", "ruleset")
        .split("\n")
        .map((line) => line.replace(/elements =|[{},]/g, "").trim())
        .sort();
    const before = rules();
    host.ok("nft", change.replace("TABLE", table));
    await eventually(() => expect(rules()).toEqual(before));
    await expectIsolation();
  });

  it("has no IPv6 unless it is enabled (CVE-2024-32473)", () => {
    const bridge = bridgeOf("front");
    expect(host.ip(`-6 addr show dev ${bridge}`)).toBe("");
    const [plain, web] = [inside("plain"), inside("web")];
    for (const file of [plain, web]) expect(say(file, "ip", "-6", "addr", "show", "eth0")).toBe("");
    // also where containers switch it on
    for (const file of [plain, web]) {
      say(file, "sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad");
      say(file, "sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6");
    }
    const local = /inet6 (fe80\S+)\//.exec(say(web, "ip", "-6", "addr", "show", "eth0"))![1]!;
    expect(say(plain, "/bin/busybox", "ping6", "-c1", "-W2", `${local}%eth0`)).toContain(
      "0 packets received",
    );
  });

  it("lets no container change the host's routes by a router advertisement (CVE-2020-13401)", async () => {
    for (const link of host.ip("-o link").matchAll(/^\d+: ((?:bay|ve)[^:@]+)/gm)) {
      const [, name] = link;
      const value = (key: string) => host.ok("cat", `/proc/sys/net/ipv6/conf/${name}/${key}`).trim();
      expect([name, value("accept_ra")]).toEqual([name, "0"]);
      // the host has no addresses on the ports of its bridges
      if (name!.startsWith("ve")) expect([name, value("disable_ipv6")]).toEqual([name, "1"]);
    }
    const [bridge, router] = [bridgeOf("six"), inside("router")];
    const mac = /link\/ether (\S+)/.exec(say(router, "ip", "link", "show", "eth0"))![1]!;
    const index = Number(/^(\d+):/.exec(say(router, "ip", "-o", "link", "show", "eth0"))![1]);
    const frame = routerAdvertisement(Buffer.from(mac.replaceAll(":", ""), "hex"));
    const [wire, ear] = [new Wire(router), new Wire(host.file)];
    const send = async () => {
      wire.send(frame, index);
      await eventually(() => expect(ear.received().some((each) => each.equals(frame))).toBe(true));
    };
    const routes = () => host.ip("-6 route show default");
    try {
      await send();
      expect(routes()).toBe("");
      // the same frame is a route for a host that listens
      host.ok("sh", "-c", `echo 2 > /proc/sys/net/ipv6/conf/${bridge}/accept_ra`);
      await send();
      await eventually(() => expect(routes()).toContain(`dev ${bridge}`));
    } finally {
      wire.close();
      ear.close();
    }
  });
});

/** A frame that says that its sender is a router, to all nodes of the link (RFC 4861). */
function routerAdvertisement(mac: Buffer): Buffer {
  const [from, to] = [packAddress("fe80::bad"), packAddress("ff02::1")];
  const body = Buffer.from("86000000400007080000000000000000", "hex"); // a lifetime of 1,800 seconds
  const length = Buffer.from([0, 0, 0, body.length]);
  const summed = Buffer.concat([from, to, length, Buffer.from([0, 0, 0, 58]), body]);
  let sum = 0;
  for (let at = 0; at < summed.length; at += 2) sum += summed.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  body.writeUInt16BE(~sum & 0xffff, 2);
  const header = Buffer.from([0x60, 0, 0, 0, 0, body.length, 58, 255]);
  return Buffer.concat([
    Buffer.from("333300000001", "hex"),
    mac,
    Buffer.from("86dd", "hex"),
    header,
    from,
    to,
    body,
  ]);
}
