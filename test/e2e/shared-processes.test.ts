/** Services that share another one's processes or network (Compose specification, pid and network_mode). */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { hostState } from "../support/host-state.ts";

describe("sharing", () => {
  const bay = new Bay();
  let before: Record<string, string>;
  const say = (service: string, command: string) => bay.ok("exec", "-T", service, "sh", "-c", command).trim();
  const stack = (time: number, rider: string) => `name: share
images: { box: { rootfs: ../busybox } }
x-box: &box { image: box, stop_grace_period: 0s }
services:
  owner: { <<: *box, command: sleep ${time}, container_name: the-owner }
  rider: { <<: *box, command: sleep 2222, ${rider} }
`;
  const pids = () => Object.fromEntries(bay.ps().map(({ Service, Pid }) => [Service, Pid]));
  beforeAll(() => {
    before = hostState();
    bay.busybox();
  });
  afterAll(() => bay.close());

  it.each(["pid: service:owner", "pid: container:the-owner"])("processes, by %s", (rider) => {
    bay.write(stack(1111, rider));
    bay.ok("up", "-d", "owner");
    bay.ok("up", "-d");
    expect(say("rider", "ps")).toMatch(/sleep 1111[\s\S]*sleep 2222/);
    expect(say("owner", "ps")).toContain("sleep 2222");
    expect(say("rider", "cat /proc/1/cmdline | tr '\\0' ' '")).toBe("sleep 1111");
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
    bay.ok("down", "-t", "0");
  });

  it("processes, which end with their owner's, and follow where it is replaced", async () => {
    bay.write(stack(1111, "pid: service:owner"));
    bay.ok("up", "-d");
    bay.write(stack(3333, "pid: service:owner"));
    const plan = bay.ok("plan");
    expect(plan).toContain("shares the processes of owner, which is replaced");
    bay.ok("up", "-d");
    expect(say("rider", "ps")).toMatch(/sleep 3333[\s\S]*sleep 2222/);
    process.kill(pids().owner!, "SIGKILL");
    await eventually(() => expect(bay.ps().map(({ State }) => State)).toEqual(["exited", "exited"]));
    expect(bay.run(["start", "rider"]).err).toContain(
      "shares the processes of the-owner, which is not running",
    );
    bay.ok("up", "-d");
    expect(say("rider", "ps")).toContain("sleep 3333");
    bay.ok("down", "-t", "0");
  });

  it.each(["ipc: service:owner", "ipc: container:the-owner"])("memory, by %s", (rider) => {
    bay.write(stack(1111, rider));
    bay.ok("up", "-d", "owner");
    bay.ok("up", "-d");
    const namespace = (service: string) => say(service, "readlink /proc/self/ns/ipc");
    expect(namespace("rider")).toBe(namespace("owner"));
    say("owner", "echo word > /dev/shm/file; echo word > /dev/mqueue/queue 2>/dev/null; true");
    expect(say("rider", "cat /dev/shm/file; df -k /dev/shm | tail -1 | awk '{print $2}'")).toBe(
      "word\n65536",
    );
    say("rider", "echo back > /dev/shm/back");
    expect(say("owner", "cat /dev/shm/back")).toBe("back");
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
    // a restart of the owner gives it a memory of its own, which the rider joins with it
    bay.ok("restart", "owner");
    if (rider.includes("container:"))
      expect(bay.ok("plan")).toContain("shares the shared memory of an earlier run of the-owner");
    bay.ok("up", "-d");
    expect(namespace("rider")).toBe(namespace("owner"));
    process.kill(pids().owner!, "SIGKILL");
    return eventually(() =>
      expect(
        bay
          .ps()
          .map(({ State }) => State)
          .sort(),
      ).toEqual(["exited", "running"]),
    ).then(() => {
      bay.ok("up", "-d", "owner");
      bay.ok("up", "-d");
      expect(namespace("rider")).toBe(namespace("owner"));
      expect(say("rider", "ls /dev/shm")).toBe("");
      bay.ok("down", "-t", "0");
    });
  });

  it("no memory by a symlink of the owner's", () => {
    bay.write(
      stack(1111, "ipc: service:owner").replace(
        "command: sleep 1111",
        'cap_add: [SYS_ADMIN], security_opt: ["apparmor:unconfined"], command: [sh, -c, "umount /dev/shm && rmdir /dev/shm && ln -s /tmp /dev/shm; exec sleep 1111"]',
      ),
    );
    const { code, err } = bay.run(["up", "-d"]);
    expect(code).toBe(1);
    expect(err).toContain("share dev/shm of another container: ELOOP");
    bay.ok("down", "-t", "0");
  });

  it("the network of a container that is named", () => {
    bay.write(stack(1111, "network_mode: container:the-owner"));
    bay.ok("up", "-d", "owner");
    bay.ok("up", "-d");
    expect(say("rider", "hostname; ip -4 -o addr show eth0")).toBe(
      say("owner", "hostname; ip -4 -o addr show eth0"),
    );
    bay.ok("down", "-t", "0");
  });

  it("leaves nothing behind", async () => {
    bay.ok("daemon", "stop");
    await eventually(() => expect(hostState()).toEqual(before));
  });
});
