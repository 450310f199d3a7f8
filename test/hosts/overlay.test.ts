/** One stack on three hosts, joined by an overlay network. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type PsRow } from "../support/bay.ts";
import { type TestHost, TestHosts } from "../support/hosts.ts";

type HostedRow = PsRow & { Host?: string };

const stack = (services: string) => `
name: shop
hosts: all
images: { box: { rootfs: ../busybox } }
services:
${services}
networks: { net: { driver: overlay } }
`;

const WEB = `  web:
    image: box
    command: ["/bin/sh", "-c", "mkdir /www && hostname > /www/index.html && exec httpd -f -p 80 -h /www"]
    stop_grace_period: 0s
    networks: [net]
    deploy: { replicas: 3 }
  client: { image: box, command: sleep 10000, stop_grace_period: 0s, networks: [net], host: a }
`;

describe("a stack on several hosts", () => {
  let hosts: TestHosts;
  let [a, b]: TestHost[] = [];
  beforeAll(async () => {
    hosts = await TestHosts.start(["a", "b", "c"]);
    [a, b] = hosts.all as [TestHost, TestHost];
    hosts.write(stack(WEB));
    await hosts.join();
  });
  afterAll(() => hosts?.close());

  const rows = ({ bay }: TestHost): HostedRow[] =>
    bay
      .ok("ps", "-a", "--format", "json")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as HostedRow);
  const inClient = (...command: string[]) => a!.bay.run(["exec", "-T", "client", ...command]);

  it("the plan says where each container runs and why, and what each host does", () => {
    const text = a!.bay.ok("plan");
    expect(text).toMatch(/web\.1 -> host b: spread, fewest containers/);
    expect(text).toContain("client.1 -> host a: the host of client");
    for (const name of ["a", "b", "c"]) expect(text).toContain(`host ${name}\n`);
    expect(text).toContain("+ network shop_net");
  });

  it("up creates containers on all hosts, which reach each other by name", async () => {
    a!.bay.ok("up", "-d");
    const web = rows(a!).filter(({ Service }) => Service === "web");
    expect(web.map(({ Name }) => Name).sort()).toEqual(["shop-web-1", "shop-web-2", "shop-web-3"]);
    expect(new Set(web.map(({ Host }) => Host))).toEqual(new Set(["a", "b", "c"]));
    for (const { Name } of web) await eventually(() => expect(inClient("ping", "-c1", Name).code).toBe(0));
    await eventually(() => expect(inClient("nslookup", "web").out.match(/Address: 10\./g)).toHaveLength(3));
  });

  it("nothing is left to do, from any host", () => {
    for (const { bay } of hosts.all) expect(bay.ok("plan")).toContain("nothing to do");
  });

  it("ps, exec, logs and inspect work from a host that does not have the container", () => {
    const far = rows(b!).find(({ Service, Host }) => Service === "web" && Host === "c")!;
    expect(a!.bay.ok("exec", "-T", "--index", far.Name.at(-1)!, "web", "cat", "/www/index.html")).toMatch(
      /^[0-9a-f]{12}\n$/,
    );
    expect(b!.bay.ok("top", "web")).toContain("httpd");
    expect(JSON.parse(a!.bay.ok("inspect", far.Name))[0].Id).toBe(far.ID);
  });

  it("down removes everything from all hosts", async () => {
    b!.bay.ok("down");
    for (const host of hosts.all) {
      expect(rows(host)).toEqual([]);
      await eventually(() => {
        const links = host
          .run("ip", "-br", "link")
          .split("\n")
          .filter((line) => /^(bay|bt|ve)/.test(line));
        expect(links).toEqual([]);
      });
      expect(host.run("nft", "list", "tables")).not.toContain("tunnels");
    }
  });
});
