import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay } from "../support/bay.ts";
import { RACE_ROUNDS, Swapper } from "../support/swapper.ts";

describe("a copy", () => {
  const bay = new Bay();
  const outside = join(bay.folder, "outside");
  const secret = join(outside, "secret");
  beforeAll(() => {
    bay.busybox();
    mkdirSync(outside, { mode: 0o711 });
    writeFileSync(secret, "of the host\n", { mode: 0o600 });
    writeFileSync(join(bay.folder, "given"), "given\n");
    symlinkSync("/proc/self/root", join(bay.folder, "busybox", "self-root"));
    symlinkSync("/hostproc/self/root", join(bay.folder, "busybox", "host-root"));
    symlinkSync("/hostproc/1/root", join(bay.folder, "busybox", "init-root"));
    symlinkSync(secret, join(bay.folder, "busybox", "to-secret"));
    symlinkSync(outside, join(bay.folder, "busybox", "to-outside"));
    bay
      .write(`
name: copy
images: { box: { rootfs: ../busybox } }
services:
  host: { image: box, command: sleep 1000, pid: host, stop_grace_period: 0s, network_mode: none, volumes: ["/proc:/hostproc:ro"] }
  plain: { image: box, command: sleep 1000, stop_grace_period: 0s, network_mode: none, volumes: ["shared:/shared"] }
volumes: { shared: }
`)
      .ok("up", "-d");
  });
  afterAll(() => bay.close());
  const untouched = () => {
    expect(readFileSync(secret, "utf8")).toBe("of the host\n");
    expect(statSync(secret).mode & 0o7777).toBe(0o600);
    expect(readdirSync(outside)).toEqual(["secret"]);
  };
  const links = ["self-root", "host-root", "init-root"];

  it.each([
    "running",
    "stopped",
  ])("follows no link of /proc, in a container that shares the host's: %s", (state) => {
    if (state === "stopped") bay.ok("stop", "host");
    for (const link of links) {
      const taken = join(bay.folder, `taken-${state}-${link}`);
      expect(bay.run(["cp", `host:/${link}${secret}`, taken]).code, link).not.toBe(0);
      expect(existsSync(taken), link).toBe(false);
      bay.run(["cp", join(bay.folder, "given"), `host:/${link}${outside}/new`]);
      untouched();
    }
  });

  it.each(["running", "stopped"])("resolves symbolic links inside: %s (CVE-2021-41089)", (state) => {
    if (state === "stopped") bay.ok("stop", "plain");
    const taken = join(bay.folder, `taken-${state}`);
    // inside the links lead to nothing, or to what an earlier copy made there, and never to the host's file
    for (const link of ["to-secret", "to-outside/secret"]) {
      const { code } = bay.run(["cp", "-L", `plain:/${link}`, taken]);
      if (state === "running") expect(code).not.toBe(0);
      if (code === 0) expect(readFileSync(taken, "utf8")).toBe("given\n");
      rmSync(taken, { force: true });
    }
    chmodSync(join(bay.folder, "given"), 0o777);
    bay.run(["cp", join(bay.folder, "given"), "plain:/to-secret"]);
    bay.run(["cp", join(bay.folder, "given"), "plain:/to-outside/new"]);
    expect(existsSync(taken)).toBe(false);
    untouched();
    bay.ok("start", "plain");
  });

  it("loads no library or program of the container (CVE-2019-14271)", () => {
    const container = ["exec", "-T", "plain", "sh", "-c"];
    const script =
      "mkdir -p /lib/x86_64-linux-gnu /usr/bin; for name in libnss_files.so.2 libnss_dns.so.2; do echo hostile > /lib/x86_64-linux-gnu/$name; done; echo 'passwd: files dns' > /etc/nsswitch.conf; printf '#!/bin/sh\\ntouch /ran\\n' > /usr/bin/tar; chmod 755 /usr/bin/tar";
    bay.ok(...container, script);
    bay.ok("cp", join(bay.folder, "given"), "plain:/etc/new");
    bay.ok("cp", "plain:/etc/new", join(bay.folder, "back"));
    expect(readFileSync(join(bay.folder, "back"), "utf8")).toBe("given\n");
    expect(bay.run([...container, "test -e /ran"]).code).not.toBe(0);
    const maps = readFileSync(`/proc/${bay.daemonPid()}/maps`, "utf8");
    expect(maps).not.toMatch(/libnss|hostile/);
  });

  it("stays inside while a directory and a symbolic link change places (CVE-2018-15664, CVE-2019-10152)", async () => {
    const volume = join(bay.folder, "root", "volumes", "copy_shared");
    const data = existsSync(join(volume, "_data")) ? join(volume, "_data") : volume;
    const swapper = new Swapper(data, { directory: "place", link: outside });
    try {
      const copies = ["get", "put"].map(async (direction) => {
        for (let round = 0; round < Math.ceil(RACE_ROUNDS / 100); round++) {
          const args =
            direction === "get"
              ? ["cp", "plain:/shared/place/secret", join(bay.folder, "raced")]
              : ["cp", join(bay.folder, "given"), "plain:/shared/place/new"];
          await bay.call(args);
        }
      });
      await Promise.all(copies);
    } finally {
      await swapper.end();
    }
    expect(swapper.swaps).toBeGreaterThan(RACE_ROUNDS);
    expect(existsSync(join(bay.folder, "raced"))).toBe(false);
    untouched();
  });
});
