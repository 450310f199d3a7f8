/** What a cluster is after faults: names, tunnels and rules are what they were before, and nothing stale is left. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/bay.ts";
import { type TestHost, TestHosts } from "../support/hosts.ts";

const service = (host: string) => `  web-${host}:
    image: box
    command: ["/bin/sh", "-c", "mkdir -p /www && echo ${host} > /www/index.html && exec httpd -f -p 80 -h /www"]
    stop_grace_period: 0s
    networks: { net: { aliases: [web] } }
    host: ${host}
`;

describe("faults of a cluster", () => {
  let hosts: TestHosts;
  let [a, b, c]: TestHost[] = [];
  beforeAll(async () => {
    hosts = await TestHosts.start(["a", "b", "c"]);
    [a, b, c] = hosts.all as [TestHost, TestHost, TestHost];
    hosts.write(`
name: shop
hosts: all
images: { box: { rootfs: ../busybox } }
services:
${["a", "b", "c"].map(service).join("")}
networks: { net: { driver: overlay } }
`);
    await hosts.join();
    a.bay.ok("up", "-d");
    await eventually(() => expect(addresses(a!)).toHaveLength(3));
  });
  afterAll(() => hosts?.close());

  /** The addresses that a container of a host gets for the name of all services. */
  const addresses = ({ name, bay }: TestHost): string[] =>
    [...bay.run(["exec", "-T", `web-${name}`, "nslookup", "web"]).out.matchAll(/^Address: (10\.\S+)$/gm)]
      .map(([, address]) => address!)
      .sort();
  const fetchFrom = ({ name, bay }: TestHost, target: string) => {
    const get = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 10 web-${target} 80 | tail -n 1`;
    return bay.run(["exec", "-T", `web-${name}`, "sh", "-c", get]).out.trim();
  };

  /** The entries of the kernel that lead to other hosts, without what differs by chance. */
  const kernel = (host: TestHost): string => {
    const link = /^(bt\S+?)[@ ]/m.exec(host.run("ip", "-br", "link"))![1]!;
    const fdb = host
      .run("bridge", "fdb", "show", "dev", link)
      .split("\n")
      .filter((line) => /02:42:/.test(line));
    const neighbours = host.run("ip", "neigh", "show", "dev", link).split("\n");
    const members = host.run("nft", "list", "tables").match(/\S+_tunnels/)![0];
    return [...fdb, ...neighbours, host.run("nft", "list", "set", "inet", members, "members")]
      .sort()
      .join("\n");
  };

  const isWhole = async (before: ReadonlyMap<string, string>) => {
    for (const host of hosts.all) {
      await eventually(() => expect(kernel(host)).toBe(before.get(host.name)));
      await eventually(() => expect(addresses(host)).toHaveLength(3));
      for (const target of ["a", "b", "c"])
        await eventually(() => expect(fetchFrom(host, target)).toBe(target));
    }
  };
  const snapshot = () => new Map(hosts.all.map((host) => [host.name, kernel(host)]));

  it("a link that is cut and restored", async () => {
    const before = snapshot();
    b!.setLink(false);
    await eventually(() => {
      const rows = JSON.parse(a!.bay.ok("host", "ls", "--format", "json")) as {
        name: string;
        state: string;
      }[];
      expect(rows.find(({ name }) => name === "b")?.state).toBe("unreachable");
    });
    // the silent host's address is left out while others have the name, and is given where it is the only one
    await eventually(() => expect(addresses(a!)).toHaveLength(2));
    expect(a!.bay.run(["exec", "-T", "web-a", "nslookup", "web-b"]).out).toMatch(/^Address: 10\./m);
    expect(fetchFrom(a!, "c")).toBe("c");
    b!.setLink(true);
    b!.run("ip", "route", "replace", "default", "via", "10.77.0.254");
    await hosts.allReady();
    await isWhole(before);
  });

  it("a bayd that is killed: its containers answer meanwhile", async () => {
    const before = snapshot();
    process.kill(b!.bay.daemonPid(), "SIGKILL");
    expect(fetchFrom(a!, "b")).toBe("b");
    expect(fetchFrom(c!, "b")).toBe("b");
    await hosts.allReady();
    await isWhole(before);
  });

  it("entries that another program removed or added", async () => {
    const before = snapshot();
    const link = /^(bt\S+?)[@ ]/m.exec(a!.run("ip", "-br", "link"))![1]!;
    a!.run("bridge", "fdb", "add", "02:42:00:00:00:99", "dev", link, "dst", "10.77.0.2", "self", "permanent");
    a!.run("ip", "neigh", "flush", "dev", link, "nud", "permanent");
    b!.run("ip", "link", "del", /^(bt\S+?)[@ ]/m.exec(b!.run("ip", "-br", "link"))![1]!);
    c!.run("nft", "delete", "table", "inet", c!.run("nft", "list", "tables").match(/\S+_tunnels/)![0]);
    await isWhole(before);
  });

  it("a packet from a host that is not a member does not enter the tunnel", () => {
    const table = a!.run("nft", "list", "tables").match(/\S+_tunnels/)![0];
    const dropped = () =>
      Number(
        /ip saddr != @members counter packets (\d+)/.exec(a!.run("nft", "list", "table", "inet", table))![1],
      );
    const before = dropped();
    b!.run("ip", "addr", "add", "10.77.0.99/24", "dev", "eth0");
    const send = `const socket = require("dgram").createSocket("udp4");
      socket.bind(0, "10.77.0.99", () => socket.send("forged", 4789, "10.77.0.1", () => socket.close()));`;
    b!.run(process.execPath, "-e", send);
    b!.run("ip", "addr", "del", "10.77.0.99/24", "dev", "eth0");
    expect(dropped()).toBeGreaterThan(before);
  });
});
