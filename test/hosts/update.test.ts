/** Updates of a service on several hosts: from host to host, without a failed request, and stopped by a failure. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ended, eventually } from "../support/bay.ts";
import { type TestHost, TestHosts } from "../support/hosts.ts";

const stack = (word: string, test = "true") => `
name: shop
hosts: all
images: { box: { rootfs: ../busybox } }
services:
  web:
    image: box
    command: ["/bin/sh", "-c", "mkdir -p /www && echo ${word} > /www/index.html && exec httpd -f -p 80 -h /www"]
    stop_grace_period: 0s
    networks: [net]
    ports: ["8080:80"]
    healthcheck: { test: ["CMD-SHELL", "${test}"], interval: 1s, start_interval: 100ms, start_period: 30s, retries: 1 }
    deploy:
      replicas: 3
      update_config: { order: start-first, failure_action: rollback, monitor: 1s }
networks: { net: { driver: overlay } }
`;

describe("an update over several hosts", () => {
  let hosts: TestHosts;
  let [a]: TestHost[] = [];
  beforeAll(async () => {
    hosts = await TestHosts.start(["a", "b", "c"]);
    [a] = hosts.all as [TestHost];
    hosts.write(stack("one"));
    await hosts.join();
    a.bay.ok("up", "-d", "--wait");
  });
  afterAll(() => hosts?.close());

  const pages = () =>
    [1, 2, 3].map((index) =>
      a!.bay.ok("exec", "-T", "--index", String(index), "web", "cat", "/www/index.html").trim(),
    );

  it("goes from host to host, and no request fails meanwhile", async () => {
    const folder = a!.bay.folder;
    const [stop, answers] = [join(folder, "stop"), join(folder, "answers")];
    writeFileSync(answers, "");
    const loop = `while [ ! -e ${stop} ]; do
      printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 60 10.77.0.$(( i % 3 + 1 )) 8080 | tail -n 1 | grep . >> ${answers} || echo failed >> ${answers}
      i=$(( i + 1 ))
    done`;
    const [program, ...args] = [...a!.enter("/"), "sh", "-c", loop];
    const client = ended(spawn(program!, args, { stdio: ["ignore", "pipe", "pipe"] }));
    const lines = () => readFileSync(answers, "utf8").split("\n").filter(Boolean);
    try {
      await eventually(() => expect(lines().length).toBeGreaterThan(3));
      a!.bay.write(stack("two"));
      const { code, err } = await a!.bay.call(["up", "-d"]);
      expect([code, err]).toEqual([0, expect.stringContaining("shop-web-3 on host")]);
      const done = err
        .split("\n")
        .flatMap((line) => /shop-web-\d on host (\w) replaced/.exec(line)?.[1] ?? []);
      expect(done).toEqual(["a", "b", "c"]);
    } finally {
      writeFileSync(stop, "");
      await client;
    }
    expect(existsSync(stop)).toBe(true);
    expect(lines()).not.toContain("failed");
    expect(new Set(lines())).toEqual(new Set(["one", "two"]));
    expect(pages()).toEqual(["two", "two", "two"]);
  });

  it("a host that fails stops the update of the others", async () => {
    a!.bay.write(stack("three", "false"));
    const { code, err } = await a!.bay.call(["up", "-d"]);
    expect(code).toBe(1);
    expect(err).toContain("not updated, because host a failed: host b, c");
    expect(pages()).toEqual(["two", "two", "two"]);
  });
});
