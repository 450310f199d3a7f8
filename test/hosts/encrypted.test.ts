/** Encrypted overlay networks: what is on the wire, and what is dropped. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ended, eventually } from "../support/bay.ts";
import { type TestHost, TestHosts } from "../support/hosts.ts";

const SECRET = "no-host-between-may-read-this";
const service = (name: string, host: string) => `  ${name}:
    image: box
    command: ["/bin/sh", "-c", "mkdir -p /www && echo ${SECRET} > /www/index.html && exec httpd -f -p 80 -h /www"]
    stop_grace_period: 0s
    host: ${host}
    networks: [hidden, plain]
`;

const STACK = `
name: crypt
hosts: all
images: { box: { rootfs: ../busybox } }
services:
${service("one", "a")}${service("two", "b")}
networks:
  hidden: { driver: overlay, driver_opts: { encrypted: "true", vni: 4242 } }
  plain: { driver: overlay }
`;

describe("an encrypted overlay network", () => {
  let hosts: TestHosts;
  let [a, b]: TestHost[] = [];
  let stranger: TestHost;
  beforeAll(async () => {
    hosts = await TestHosts.start(["a", "b"]);
    stranger = await hosts.addStranger("x");
    [a, b] = hosts.all as [TestHost, TestHost];
    hosts.write(STACK);
    await hosts.join();
    a.bay.ok("up", "-d");
  });
  afterAll(() => hosts?.close());

  const exec = (name: string, ...command: string[]) => a!.bay.run(["exec", "-T", name, ...command]);
  const addressOn = (name: string, link: string) =>
    /inet (10\.[^/]+)/.exec(exec(name, "ip", "addr", "show", link).out)![1]!;
  const fetch = (address: string) => hosts.fetch("one", address);
  const linkOf = (host: TestHost, kind: "bw" | "bt") =>
    [...host.run("ip", "-br", "link").matchAll(/^(b[wt]\w+)/gm)]
      .map(([name]) => name)
      .filter((name) => name.startsWith(kind));

  /** What passes the interface of host b while something is done. */
  async function captured(action: () => void): Promise<Buffer> {
    const file = join(b!.bay.folder, "capture");
    const [program, ...args] = [
      ...b!.enter("/"),
      "tcpdump",
      "-ni",
      "eth0",
      "-U",
      "--immediate-mode",
      "-s0",
      "-Z",
      "root",
      "-w",
      file,
    ];
    const child = spawn(program!, args, { stdio: ["ignore", "pipe", "pipe"] });
    await new Promise<void>((resolve) => child.stderr.once("data", () => resolve())); // it listens
    const end = ended(child);
    action();
    const marker = "the end of this capture";
    const send = `require("dgram").createSocket("udp4").send("${marker}", 9, "${b!.address}", () => process.exit())`;
    stranger.run(process.execPath, "-e", send);
    await eventually(() => expect(readFileSync(file).includes(marker)).toBe(true));
    child.kill("SIGINT");
    await end;
    return readFileSync(file);
  }

  it("connects containers, with the MTU that is left", async () => {
    await eventually(() => expect(fetch(addressOn("two", "eth0"))).toBe(SECRET));
    expect(exec("one", "cat", "/sys/class/net/eth0/mtu").out.trim()).toBe("1370");
    const largest = ["ping", "-c1", "-W2", "-s", String(1370 - 28), addressOn("two", "eth0")];
    expect(exec("one", ...largest).code).toBe(0);
  });

  it("has no plain byte on the wire, where the other network has all", async () => {
    const [hidden, plain] = [addressOn("two", "eth0"), addressOn("two", "eth1")];
    await eventually(() => expect(fetch(plain)).toBe(SECRET));
    const open = await captured(() => expect(fetch(plain)).toBe(SECRET));
    expect(open.includes(SECRET)).toBe(true);
    const closed = await captured(() => expect(fetch(hidden)).toBe(SECRET));
    expect(closed.includes(SECRET)).toBe(false);
    expect(closed.length).toBeGreaterThan(500);
    expect(closed.includes("HTTP/1")).toBe(false);
  });

  it("keeps private keys where only root reads them, and out of what hosts tell each other", () => {
    const file = join(a!.bay.env.BAY_ROOT!, "host", "wireguard.key");
    expect(a!.run("stat", "-c", "%a", file).trim()).toBe("600");
    expect(a!.run("wg", "show", linkOf(a!, "bw")[0]!, "peers").trim()).toBe(
      b!.run("wg", "show", linkOf(b!, "bw")[0]!, "public-key").trim(),
    );
  });

  it("drops plain packets of the network, from members and from others", () => {
    const table = b!.run("nft", "list", "tables").match(/inet \S+_tunnels/)![0];
    const drops = () =>
      [
        ...b!.run("nft", "list", "table", ...table.split(" ")).matchAll(/@th,96,24.* packets (\d+) .*drop/g),
      ].map(([, count]) => Number(count));
    const before = drops();
    expect(before).toHaveLength(2);
    // a VXLAN header with the network's identifier, from the address of a member
    const frame = `08000000${(4242).toString(16).padStart(6, "0")}00${"00".repeat(60)}`;
    const send = `require("dgram").createSocket("udp4").send(Buffer.from("${frame}", "hex"), 4789, "${b!.address}", () => process.exit())`;
    a!.try(process.execPath, "-e", send); // its own rules drop it
    expect(drops()).toEqual(before);
    stranger.run(process.execPath, "-e", send);
    expect(drops().reduce((sum, each) => sum + each)).toBe(before.reduce((sum, each) => sum + each) + 1);
  });

  it("restores a link, a peer and a process that somebody removed", async () => {
    const [link] = linkOf(a!, "bw");
    const address = addressOn("two", "eth0");
    const peers = () => a!.try("wg", "show", link!, "allowed-ips").stdout;
    const before = peers();
    a!.run("wg", "set", link!, "peer", before.split("\t", 1)[0]!, "remove");
    await eventually(() => expect(peers()).toBe(before));
    a!.run("ip", "link", "del", link!);
    await eventually(() => expect(peers()).toBe(before));
    await eventually(() => expect(fetch(address)).toBe(SECRET));
  });

  it("down leaves no link and no process", async () => {
    a!.bay.ok("down");
    for (const host of hosts.all)
      await eventually(() => expect(host.run("ip", "-br", "link")).not.toMatch(/^(bay|b[tw]|ve)/m));
  });
});
