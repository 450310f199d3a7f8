/** Rarer keys of services, seen from inside the containers and in the kernel. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";

const isV1 = existsSync("/sys/fs/cgroup/memory/memory.swappiness");
const disk = existsSync("/sys/block")
  ? readdirSync("/sys/block").find(
      (name) => existsSync(`/dev/${name}`) && statSync(`/dev/${name}`).isBlockDevice(),
    )
  : undefined;

describe("keys for the kernel", () => {
  const bay = new Bay();
  const shared = mkdtempSync(join(tmpdir(), "bay-shared-"));
  const say = (service: string, command: string) => bay.ok("exec", "-T", service, "sh", "-c", command).trim();
  const stack = (names: string) => `name: rare
images: { box: { rootfs: ../busybox } }
services:
  names: { image: box, command: sleep 1000, stop_grace_period: 0s, ${names} }
  memory:
    image: box
    command: sleep 1000
    stop_grace_period: 0s
    ${isV1 ? "mem_swappiness: 10" : ""}
    ${isV1 ? "oom_kill_disable: true" : ""}
    ${disk ? `blkio_config: { device_read_bps: [{ path: /dev/${disk}, rate: 12mb }], device_write_iops: [{ path: /dev/${disk}, rate: 130 }] }` : ""}
  devices:
    image: box
    command: sleep 1000
    stop_grace_period: 0s
    device_cgroup_rules: ["c 10:200 rwm"]
    networks:
      one: { mac_address: "02:42:AC:11:00:07", interface_name: front }
      two: { gw_priority: 5 }
  volumes:
    image: box
    command: sleep 1000
    stop_grace_period: 0s
    volumes: ["data:/data", "${shared}:/slave:rslave", { type: bind, source: "${shared}", target: /private }]
  rider: { image: box, command: sleep 1000, stop_grace_period: 0s, volumes_from: ["volumes:ro"], tmpfs: [/slave] }
networks: { one: , two: }
volumes: { data: }
`;
  beforeAll(() => {
    bay.busybox();
    execFileSync("mount", ["-t", "tmpfs", "none", shared]);
    execFileSync("mount", ["--make-shared", shared]);
    bay.write(stack("uts: host, cgroup: host, mac_address: '02:42:ac:11:00:09'")).ok("up", "-d");
  });
  afterAll(() => {
    bay.close();
    execFileSync("umount", ["-R", shared]);
    rmdirSync(shared);
  });

  it("share the host's names and control groups", () => {
    expect(say("names", "hostname")).toBe(hostname());
    expect(say("names", "readlink /proc/self/ns/cgroup")).toBe(readlinkSync("/proc/self/ns/cgroup"));
    expect(say("memory", "readlink /proc/self/ns/cgroup")).not.toBe(readlinkSync("/proc/self/ns/cgroup"));
    expect(say("names", "cat /sys/class/net/eth0/address")).toBe("02:42:ac:11:00:09");
  });

  it.skipIf(!isV1)("set how memory is swapped, and whether the kernel ends who has too much", () => {
    expect(say("memory", "cat /sys/fs/cgroup/memory/memory.swappiness")).toBe("10");
    expect(say("memory", "cat /sys/fs/cgroup/memory/memory.oom_control")).toContain("oom_kill_disable 1");
  });

  it.skipIf(!disk || !isV1)("bound what is read and written of a disk", () => {
    const number = readFileSync(`/sys/block/${disk}/dev`, "utf8").trim();
    const limits = "/sys/fs/cgroup/blkio/blkio.throttle";
    expect(say("memory", `cat ${limits}.read_bps_device`)).toBe(`${number} ${12 << 20}`);
    expect(say("memory", `cat ${limits}.write_iops_device`)).toBe(`${number} 130`);
  });

  it("allow devices by number", () => {
    expect(say("devices", "mknod /tmp/tun c 10 200 && ls -l /tmp/tun")).toContain("10, 200");
    expect(bay.run(["exec", "-T", "memory", "mknod", "/tun", "c", "10", "200"]).err).toContain(
      "not permitted",
    );
  });

  it("name links, and say by which of them packets leave", () => {
    expect(say("devices", "cat /sys/class/net/front/address")).toBe("02:42:ac:11:00:07");
    expect(say("devices", "ip route show default")).toMatch(/dev eth1/);
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
  });

  it("share another service's volumes, for reading", () => {
    say("volumes", "echo there > /data/file");
    expect(say("rider", "cat /data/file; ls -d /private")).toBe("there\n/private");
    expect(bay.run(["exec", "-T", "rider", "touch", "/data/other"]).err).toContain("Read-only");
    expect(say("rider", "stat -f -c %T /slave")).toBe("tmpfs");
  });

  it("show mounts of the host that come later, where they are asked for", () => {
    mkdirSync(join(shared, "later"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "later", join(shared, "later")]);
    expect(say("volumes", "grep -c ' /slave/later ' /proc/mounts")).toBe("1");
    expect(say("volumes", "grep -c ' /private/later ' /proc/mounts || true")).toBe("0");
  });

  it("are compared, and say what cannot be", () => {
    bay.write(stack("uts: host"));
    const plan = bay.ok("plan");
    expect(plan).toContain("services.names.cgroup: host -> (none)");
    expect(plan).toContain("02:42:ac:11:00:09");
    bay.write(
      "services:\n  a: { image: x, volumes: ['/a:/b:shared'], uts: private, userns_mode: keep, device_cgroup_rules: [x] }\n",
    );
    const { err } = bay.run(["config"]);
    for (const text of ["uts: ", "bay does not map users", 'expected "c 1:3 rwm"'])
      expect(err).toContain(text);
    bay.write(stack(""));
  });
});

describe("cgroup_parent", () => {
  const bay = new Bay();
  const controller = isV1 ? "/sys/fs/cgroup/pids" : "/sys/fs/cgroup";
  const [made, there] = [`made-${bay.tag}`, `there-${bay.tag}`];
  const stack = (parent: string) =>
    `name: below\nimages: { box: { rootfs: ../busybox } }\nservices:\n  a: { image: box, command: sleep 1000, stop_grace_period: 0s, mem_limit: 64m, cpuset: "0", cgroup_parent: ${parent} }\n`;
  const groupOf = () =>
    readFileSync(`/proc/${bay.ps()[0]!.Pid}/cgroup`, "utf8")
      .split("\n")
      .find((line) => (isV1 ? line.includes(":pids:") : line.startsWith("0::")))
      ?.split(":")[2];

  beforeAll(() => {
    bay.busybox();
    mkdirSync(join(controller, there));
  });
  afterAll(() => {
    bay.close();
    rmdirSync(join(controller, there));
  });

  it("has the container's group below it, and goes with the last container where bay made it", () => {
    bay.write(stack(`${made}/deep`)).ok("up", "-d");
    expect(groupOf()).toMatch(new RegExp(`^/${made}/deep/bay-${bay.tag}-[0-9a-f]{16}$`));
    expect(bay.ok("exec", "-T", "a", "sh", "-c", "echo inside").trim()).toBe("inside");
    expect(bay.ok("stats", "--no-stream")).toContain("below-a-1");
    bay.write(stack(there));
    expect(bay.ok("plan")).toContain(`services.a.cgroup_parent: /${made}/deep -> /${there}`);
    bay.ok("up", "-d");
    expect(groupOf()).toMatch(new RegExp(`^/${there}/bay-${bay.tag}-`));
    expect(existsSync(join(controller, made))).toBe(false);
    expect(bay.ok("plan")).toContain("nothing to do");
  });

  it("stays where it was there before, and loses no container over a kill of bayd", async () => {
    const before = groupOf();
    process.kill(bay.daemonPid(), "SIGKILL");
    // ps speaks without bayd too; exec needs one
    await eventually(() => expect(bay.run(["exec", "-T", "a", "true"]).code).toBe(0));
    expect(bay.ps()[0]).toMatchObject({ State: "running" });
    expect(groupOf()).toBe(before);
    writeFileSync(join(controller, there, "pids.max"), "3");
    expect(
      bay.run(["exec", "-T", "a", "sh", "-c", "sleep 1 & sleep 1 & sleep 1 & sleep 1 & wait"]).err,
    ).toMatch(/can't fork|Resource temporarily/);
    bay.ok("down", "-t", "0");
    expect(readdirSync(join(controller, there)).filter((name) => name.startsWith("bay-"))).toEqual([]);
    bay.ok("daemon", "stop");
  });

  it("is a name of groups, of which none leads up", () => {
    for (const wrong of ["../x", "''", "a/../b", "a b"])
      expect(bay.write(stack(wrong)).run(["plan"]).err).toContain("invalid control group");
  });
});
