/** What containers and images may take from the host: bounded, and told where a bound is passed. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay } from "../support/bay.ts";

describe("the bounds of containers and images", () => {
  const bay = new Bay();
  const config = join(bay.folder, "config");
  beforeAll(() => {
    bay.busybox();
    mkdirSync(config);
    writeFileSync(
      join(config, "daemon.json"),
      JSON.stringify({ "default-pids-limit": 77, "max-layer-size": "8m", "max-layer-files": 1000 }),
    );
    bay.env.BAY_CONFIG = config;
    bay.write(stack("[a]")).ok("up", "-d");
  });
  afterAll(() => bay.close());
  const stack = (networks: string) => `
name: bounds
images: { box: { rootfs: ../busybox } }
networks: { a: {}, b: {} }
services:
  hog: { image: box, command: sleep 1000, stop_grace_period: 0s, networks: ${networks} }
  joined: { image: box, command: sleep 1000, stop_grace_period: 0s, network_mode: "service:hog" }
  free: { image: box, command: sleep 1000, stop_grace_period: 0s, networks: [a], pids_limit: -1 }
`;
  const out = (service: string, script: string) => bay.ok("exec", "-T", service, "sh", "-c", script).trim();
  const runSize = () =>
    Number(
      execFileSync("du", ["-sb", "--exclude=netns", join(bay.folder, "run")], { encoding: "utf8" }).split(
        "\t",
      )[0],
    );

  it("writes of a container to its /etc/hosts, hostname and resolv.conf do not go to /run", () => {
    const before = runSize();
    for (const name of ["hosts", "hostname", "resolv.conf"])
      out("hog", `dd if=/dev/zero of=/etc/${name} bs=1M count=8 2>/dev/null; wc -c < /etc/${name}`);
    expect(runSize() - before).toBeLessThan(1 << 20);
    expect(out("joined", "wc -c < /etc/hosts")).toBe(String(8 << 20));
  });

  it("a live change of networks updates the files, whatever the container did to them", () => {
    out("hog", "chmod 0 /etc/hosts; chown 1000 /etc/hosts; mkdir -p /x; ln -sf /etc/passwd /x/hosts");
    bay.write(stack("[a, b]")).ok("up", "-d");
    const lines = out("hog", "cat /etc/hosts").split("\n");
    expect(lines[0]).toBe("127.0.0.1\tlocalhost");
    expect(lines.filter((line) => /^172\.|^10\.|^192\./.test(line))).toHaveLength(2);
    expect(out("hog", "stat -c '%a %u' /etc/hosts")).toBe("644 0");
    expect(out("joined", "cat /etc/hosts")).toBe(lines.join("\n"));
  });

  it("the daemon's pids limit applies to every container without its own, and bay info shows it", () => {
    const limit = "cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max";
    expect(out("hog", limit)).toBe("77");
    expect(out("free", limit)).toBe("max");
    expect(bay.ok("info")).toMatch(/default-pids-limit\s+77/);
    expect(bay.ok("plan")).toMatch(/nothing to do|0 to add, 0 to change, 0 to replace/);
  });

  it("a small archive that unpacks to a lot of data is rejected with the bound and the setting, and leaves nothing", () => {
    const layers = () => readdirSync(join(bay.folder, "root", "layers")).sort();
    const blobs = () => readdirSync(join(bay.folder, "root", "blobs", "sha256")).sort();
    const before = [layers(), blobs()];
    const tar = (script: string) => {
      execFileSync("sh", [
        "-c",
        `cd "$1" && rm -rf t && mkdir t && cd t && ${script} && tar -czf ../bomb.tgz .`,
        "sh",
        bay.folder,
      ]);
      return join(bay.folder, "bomb.tgz");
    };
    const bytes = bay.run([
      "image",
      "import",
      tar("dd if=/dev/zero of=zeros bs=1M count=20 2>/dev/null"),
      "bomb:1",
    ]);
    expect(bytes).toMatchObject({ code: 1, err: expect.stringContaining("8 MiB") });
    expect(bytes.err).toContain('"max-layer-size"');
    expect(bytes.err).toContain(join(config, "daemon.json"));
    const files = bay.run(["image", "import", tar("seq 2000 | xargs touch"), "bomb:1"]);
    expect(files).toMatchObject({ code: 1, err: expect.stringContaining("max-layer-files") });
    bay.ok("image", "prune", "-f");
    expect([layers(), blobs()]).toEqual(before);
  });

  it("a commit of a file with a large apparent size is rejected as well", () => {
    out("hog", "dd if=/dev/zero of=/huge bs=1 count=1 seek=100G 2>/dev/null");
    const result = bay.run(["container", "commit", "bounds-hog-1", "huge:1"]);
    expect(result).toMatchObject({ code: 1, err: expect.stringContaining("max-layer-size") });
  });
});
