/** Overlay networks on bridges of Open vSwitch, by its datapath in user space: GRE and VXLAN. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/bay.ts";
import { type TestHost, TestHosts } from "../support/hosts.ts";

const service = (name: string, host: string, networks: string) => `  ${name}:
    image: box
    command: ["/bin/sh", "-c", "mkdir -p /www && echo ${name} > /www/index.html && exec httpd -f -p 80 -h /www"]
    stop_grace_period: 0s
    host: ${host}
    networks: ${networks}
`;

const STACK = `
name: switched
hosts: all
images: { box: { rootfs: ../busybox } }
services:
${["a", "b", "c"].map((host) => service(`on-${host}`, host, "[gre, vx]")).join("")}
networks:
  gre: { driver: overlay, driver_opts: { encapsulation: ovs-gre, key: 77 }, enable_ipv6: true }
  vx: { driver: overlay, driver_opts: { encapsulation: ovs-vxlan } }
`;

describe("overlay networks of Open vSwitch", () => {
  let hosts: TestHosts;
  let [a, b]: TestHost[] = [];
  beforeAll(async () => {
    hosts = await TestHosts.start(["a", "b", "c"]);
    for (const host of hosts.all) host.startOpenVSwitch();
    [a, b] = hosts.all as [TestHost, TestHost];
    hosts.write(STACK);
    await hosts.join();
    a.bay.ok("up", "-d");
  });
  afterAll(() => hosts?.close());

  const exec = (service: string, ...command: string[]) => a!.bay.run(["exec", "-T", service, ...command]);
  const fetch = (from: string, target: string) => hosts.fetch(from, target);
  const addressesOf = (service: string) =>
    [...exec(service, "ip", "addr").out.matchAll(/inet6? ([0-9a-f.:]+)\/\d+ .*global/g)].map(
      ([, address]) => address!,
    );
  const vsctl = (host: TestHost, ...args: string[]) => host.run("ovs-vsctl", ...args).trim();
  const bridges = (host: TestHost) =>
    vsctl(host, "list-br")
      .split("\n")
      .filter((name) => name.startsWith("bay"));
  /** All ports of bay's bridges with what is set on them. */
  const ports = (host: TestHost) =>
    bridges(host)
      .flatMap((bridge) => vsctl(host, "list-ports", bridge).split("\n").filter(Boolean))
      .sort()
      .map((port) =>
        [
          port,
          vsctl(host, "get", "port", port, "protected", "external_ids"),
          vsctl(host, "get", "interface", port, "type", "options"),
        ].join(" "),
      );

  it("connects the containers of all hosts on each network, over IPv4 and IPv6", async () => {
    for (const from of ["on-a", "on-b", "on-c"])
      for (const target of ["on-a", "on-b", "on-c"])
        await eventually(() => expect(fetch(from, target)).toBe(target));
    for (const address of addressesOf("on-c"))
      await eventually(() => expect(exec("on-a", "ping", "-c1", "-W2", address).code).toBe(0));
  });

  it("passes packets of the largest size, and more data than fits in one", () => {
    const mtus = exec("on-a", "sh", "-c", "cat /sys/class/net/eth*/mtu").out.trim().split("\n");
    expect(mtus).toEqual(["1458", "1450"]);
    const [address] = addressesOf("on-b");
    expect(exec("on-a", "ping", "-c1", "-W2", "-s", String(1458 - 28), address!).code).toBe(0);
    exec("on-b", "sh", "-c", "head -c 3000000 /dev/zero > /www/big");
    const size = exec("on-a", "sh", "-c", `wget -q -O - http://${address}/big | wc -c`).out.trim();
    expect(size).toBe("3000000");
  });

  it("sets ports up as an administrator would: protected tunnels with a key, and the owner in external_ids", () => {
    const all = ports(a!);
    expect(all).toHaveLength(6);
    expect(
      all.filter((port) =>
        /true\s+\{bay=.*"?bay-network"?=switched_gre.*gre\s+\{key="77", remote_ip="10\.77\.0\.[23]"\}/s.test(
          port,
        ),
      ),
    ).toHaveLength(2);
    expect(
      all.filter((port) =>
        /true\s+\{.*bay-stack"?=switched.*vxlan\s+\{dst_port="4789", key="\d+", remote_ip=/s.test(port),
      ),
    ).toHaveLength(2);
    expect(all.filter((port) => /^ve\w+ false/.test(port))).toHaveLength(2);
  });

  it("restores ports and bridges that somebody removed or changed, and leaves ports of others", async () => {
    const before = ports(a!);
    const [tunnel] = before.filter((port) => port.startsWith("bt"));
    const [link] = before.filter((port) => port.startsWith("ve"));
    vsctl(a!, "del-port", tunnel!.split(" ", 1)[0]!);
    vsctl(a!, "del-port", link!.split(" ", 1)[0]!);
    await eventually(() => expect(ports(a!)).toEqual(before));
    vsctl(a!, "set", "interface", tunnel!.split(" ", 1)[0]!, "options:remote_ip=192.0.2.1");
    await eventually(() => expect(ports(a!)).toEqual(before));
    const [bridge] = bridges(a!);
    vsctl(a!, "add-port", bridge!, "mirror0", "--", "set", "interface", "mirror0", "type=internal");
    vsctl(a!, "del-br", bridges(a!)[1]!);
    await eventually(() => expect(ports(a!).filter((port) => !port.startsWith("mirror0"))).toEqual(before));
    expect(vsctl(a!, "list-ports", bridge!)).toContain("mirror0");
    vsctl(a!, "del-port", "mirror0");
    for (const target of ["on-a", "on-b"]) await eventually(() => expect(fetch("on-a", target)).toBe(target));
  });

  it("a stopped container has no port, and a started one has one", async () => {
    a!.bay.ok("stop", "on-a");
    await eventually(() => expect(ports(a!).filter((port) => port.startsWith("ve"))).toEqual([]));
    a!.bay.ok("start", "on-a");
    await eventually(() => expect(fetch("on-b", "on-a")).toBe("on-a"));
  });

  it("down leaves nothing in Open vSwitch or in the kernel", async () => {
    a!.bay.ok("down");
    for (const host of hosts.all) {
      expect(vsctl(host, "list-br")).toBe("underlay");
      await eventually(() => expect(host.run("ip", "-br", "link")).not.toMatch(/^(bay|bt|ve)/m));
      expect(host.run("nft", "list", "tables")).not.toContain("tunnels");
    }
  });

  it("names the hosts without Open vSwitch before anything is done", () => {
    const hidden = join(b!.bay.folder, "hidden");
    const hide = [
      `mkdir ${hidden} && mount -t tmpfs tmpfs ${hidden} && cd ${hidden} && mkdir upper work`,
      "mknod upper/ovs-vsctl c 0 0", // what overlayfs takes for a removed file
      "mount -t overlay overlay -o lowerdir=/usr/bin,upperdir=upper,workdir=work /usr/bin",
    ];
    b!.run("sh", "-ec", hide.join("\n"));
    const { code, err } = a!.bay.run(["up", "-d"]);
    expect(code).not.toBe(0);
    expect(err).toContain("networks.gre: Open vSwitch is not installed on host b");
    expect(err).toContain("apt-get install openvswitch-switch");
    expect(a!.bay.ok("ps", "-aq")).toBe("");
  });
});
