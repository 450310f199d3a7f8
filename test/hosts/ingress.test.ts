/** Published ports of services on several hosts: every host has them, and passes connections on to a healthy container. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/bay.ts";
import { type TestHost, TestHosts } from "../support/hosts.ts";

const STACK = `
name: shop
hosts: all
images: { box: { rootfs: ../busybox } }
services:
  web:
    image: box
    command:
      - /bin/sh
      - -c
      - |
        mkdir -p /www/cgi-bin
        printf '#!/bin/sh\\necho; echo $$(cat /etc/hostname) $$REMOTE_ADDR' > /www/cgi-bin/who
        chmod +x /www/cgi-bin/who
        exec httpd -f -p 80 -h /www
    stop_grace_period: 0s
    networks: [net]
    host: [b, c]
    deploy: { replicas: 2 }
    ports: ["8080:80"]
networks: { net: { driver: overlay } }
`;

describe("published ports of a stack on several hosts", () => {
  let hosts: TestHosts;
  let [a, b, c]: TestHost[] = [];
  beforeAll(async () => {
    hosts = await TestHosts.start(["a", "b", "c"]);
    [a, b, c] = hosts.all as [TestHost, TestHost, TestHost];
    hosts.write(STACK);
    await hosts.join();
    a.bay.ok("up", "-d");
  });
  afterAll(() => hosts?.close());

  /** The container that answers a request from one host to the port of another, and the client's address there. */
  const ask = (from: TestHost, to: TestHost): { container: string; client: string } | undefined => {
    const get = `printf 'GET /cgi-bin/who HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 60 ${to.address} 8080 | tail -n 1`;
    const { stdout } = from.try("sh", "-c", get);
    const [container, client] = stdout.trim().split(" ");
    return container && client ? { container, client: client.replace(/^\[::ffff:|\]$/g, "") } : undefined;
  };
  const containerOn = (host: TestHost): string =>
    host.bay.ok("exec", "-T", "--index", host === b ? "1" : "2", "web", "cat", "/etc/hostname").trim();

  it("a host without a container passes connections on to those of the other hosts in turn", async () => {
    await eventually(() => {
      const answered = new Set(Array.from({ length: 4 }, () => ask(b!, a!)?.container));
      expect(answered).toEqual(new Set([containerOn(b!), containerOn(c!)]));
    });
    // also for a client on the host itself
    expect(ask(a!, a!)?.container).toBeDefined();
  });

  it("a host with a container passes connections on to it, and it sees the client's address", async () => {
    for (const host of [b!, c!])
      await eventually(() =>
        expect(ask(a!, host)).toEqual({ container: containerOn(host), client: a!.address }),
      );
  });

  it("a container that ends is left out at once, on its own host too", async () => {
    const left = containerOn(b!);
    a!.bay.ok("up", "-d", "--scale", "web=1");
    for (const host of hosts.all) await eventually(() => expect(ask(a!, host)?.container).toBe(left));
    a!.bay.ok("up", "-d");
    await eventually(() => expect(ask(a!, c!)?.container).toBe(containerOn(c!)));
  });

  it("bayd takes the ports over when it starts again", async () => {
    process.kill(a!.bay.daemonPid(), "SIGKILL");
    expect(ask(b!, a!)).toBeDefined();
    await hosts.allReady();
    await eventually(() => expect(ask(b!, a!)).toBeDefined());
  });

  it("down releases the ports of all hosts", () => {
    b!.bay.ok("down");
    for (const host of hosts.all) {
      expect(host.run("ss", "-Hltn")).not.toContain(":8080 ");
      expect(host.run("nft", "list", "ruleset")).not.toContain("8080");
    }
  });
});
