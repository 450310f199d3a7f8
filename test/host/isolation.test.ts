/** Isolation as the container itself sees it: what it must not see, reach or do. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";

describe("inside a container", () => {
  const bay = new Bay();
  beforeAll(() => {
    bay.busybox();
    bay
      .write(`
name: iso
images: { box: { rootfs: ../busybox } }
services:
  plain: { image: box, command: sleep 1000, stop_grace_period: 0s, volumes: ["../busybox/etc:/mnt:ro"], tmpfs: ["/scratch:size=1m,mode=700"], shm_size: 2m, ulimits: { nofile: { soft: 100, hard: 200 } }, sysctls: { net.core.somaxconn: 77 }, hostname: named, domainname: lan }
  other: { image: box, command: sleep 2000, stop_grace_period: 0s }
  user: { image: box, command: sleep 1000, user: app, cap_drop: [ALL], security_opt: [no-new-privileges], read_only: true, stop_grace_period: 0s }
  strong: { image: box, command: sleep 1000, privileged: true, stop_grace_period: 0s }
  cpu: { image: box, command: "sh -c 'while true; do :; done'", cpus: 0.5, stop_grace_period: 0s }
  hog: { image: box, command: "sh -c 'tail /dev/zero'", mem_limit: 16m, memswap_limit: 16m }
  fork: { image: box, command: sleep 1000, pids_limit: 20, stop_grace_period: 0s }
  none: { image: box, command: sleep 1000, network_mode: none, stop_grace_period: 0s }
  host: { image: box, command: sleep 1000, network_mode: host, pid: host, ipc: host, stop_grace_period: 0s }
  joined: { image: box, command: sleep 1000, network_mode: "service:other", stop_grace_period: 0s }
  traced: { image: box, command: sleep 1000, init: true, cap_add: [SYS_PTRACE] }
  ended: { image: box, command: "sh -c '(sleep 0.1; true) & exit 7'", init: true, privileged: true }
`)
      .ok("up", "-d");
  });
  afterAll(() => bay.close());
  const sh = (script: string, service = "plain") => bay.run(["exec", "-T", service, "sh", "-c", script]);
  const out = (script: string, service = "plain") => sh(script, service).out.trim();

  it("only its own processes are visible", () => {
    expect(out("ps -o args")).not.toContain("sleep 2000");
    expect(out("ps -o pid,args | grep 'sleep 1000' | grep -v grep")).toMatch(/^1 sleep 1000$/);
  });

  it("only its own network is visible", () => {
    expect(out("ls /sys/class/net").split(/\s+/).sort()).toEqual(["eth0", "lo"]);
    expect(out("ls /sys/class/net", "none")).toBe("lo");
    expect(out("ls /sys/class/net", "host")).toContain(
      execFileSync("sh", ["-c", "ls /sys/class/net | head -1"], { encoding: "utf8" }).trim(),
    );
    expect(out("ip -4 -o addr show eth0", "joined")).toBe(out("ip -4 -o addr show eth0", "other"));
  });

  it("kernel settings and memory are masked", () => {
    expect(sh("echo 1 > /proc/sys/kernel/panic").code).not.toBe(0);
    expect(sh("head -c 1 /proc/kcore 2>/dev/null | wc -c").out.trim()).toBe("0");
    expect(sh("echo b > /proc/sysrq-trigger").code).not.toBe(0);
    expect(out("ls /sys/firmware | wc -l")).toBe("0");
    expect(sh("mkdir /sys/fs/cgroup/x /sys/fs/cgroup/memory/x").code).not.toBe(0);
  });

  it("mounts, device nodes and namespaces are refused", () => {
    expect(sh("mount -t tmpfs x /tmp").code).not.toBe(0);
    expect(sh("mknod /tmp/disk b 254 0").code).not.toBe(0);
    expect(sh("unshare -m true").code).not.toBe(0);
    expect(sh("hostname other").code).not.toBe(0);
    expect(sh("mount -t tmpfs x /tmp && mknod /tmp/disk b 254 0", "strong").code).toBe(0);
  });

  it("no descriptor of bay is open", () => {
    expect(out("ls -l /proc/1/fd | grep -v total | awk '{print $9}' | tr '\\n' ' '")).toBe("0 1 2");
    expect(out("ls -l /proc/self/fd | grep -c -E '/(var|run|tmp)/'")).toBe("0");
  });

  it("an init has its own memory, so that a process that may trace it does not reach the shim", async () => {
    const { ID } = bay.ps().find(({ Service }) => Service === "traced")!;
    const program = () => readFileSync(join(bay.folder, "run", "containers", ID.slice(0, 16), "program"));
    const before = program();
    const overwrite =
      "dd if=/dev/urandom of=/proc/1/mem bs=4000 count=1 seek=268435456 oflag=seek_bytes conv=notrunc";
    expect(sh(overwrite, "traced").code).toBe(0);
    expect(program().equals(before)).toBe(true);
    bay.ok("kill", "traced");
    await eventually(() =>
      expect(bay.ps().find(({ Service }) => Service === "traced")).toMatchObject({
        State: "exited",
        ExitCode: 137,
      }),
    );
    expect(bay.ps().find(({ Service }) => Service === "ended")).toMatchObject({
      State: "exited",
      ExitCode: 7,
    });
  });

  it("the shim and bay's files are out of reach", () => {
    expect(out("readlink /proc/1/exe")).toBe("/bin/busybox");
    expect(sh("ls /run/bay /var/lib/bay").code).not.toBe(0);
    expect(out("cat /proc/1/mountinfo | grep -c ' /run '")).toBe("0");
  });

  it("Docker's default capabilities and a seccomp filter hold, and an exec has the same", () => {
    const status = (service: string) =>
      out(
        "grep -E '^(Cap(Eff|Bnd)|NoNewPrivs|Seccomp):' /proc/1/status | tr '\\t' ' ' | tr '\\n' ' '",
        service,
      );
    expect(status("plain")).toBe(
      "CapEff: 00000000a80425fb CapBnd: 00000000a80425fb NoNewPrivs: 0 Seccomp: 2",
    );
    expect(out("grep -E '^(CapEff|Seccomp):' /proc/self/status | tr '\\t' ' ' | tr '\\n' ' '")).toBe(
      "CapEff: 00000000a80425fb Seccomp: 2",
    );
    expect(status("user")).toBe("CapEff: 0000000000000000 CapBnd: 0000000000000000 NoNewPrivs: 1 Seccomp: 2");
    expect(status("strong")).toContain("Seccomp: 0");
  });

  it("user, names, limits and mounts match the file", () => {
    expect(out("id -u; id -g", "user")).toBe("1000\n1000");
    expect(sh("touch /x", "user").code).not.toBe(0);
    expect(out("hostname; cat /etc/hostname; ulimit -n; ulimit -Hn; cat /proc/sys/net/core/somaxconn")).toBe(
      "named\nnamed\n100\n200\n77",
    );
    expect(out("grep named /etc/hosts")).toMatch(/^172\.\S+\s+named\.lan\s+named$/);
    expect(out("grep -c app /mnt/passwd")).toBe("1");
    expect(sh("touch /mnt/x").code).not.toBe(0);
    expect(out("df -k /scratch /dev/shm | awk 'NR>1{print $2}'")).toBe("1024\n2048");
    expect(out("umask; pwd; cut -d' ' -f19 /proc/self/stat")).toBe("0022\n/\n0");
  });

  it("half a CPU is half a CPU", async () => {
    const url = "http://x/containers/iso-cpu-1/stats?stream=false&one-shot=1";
    const stats = () => {
      const answer = execFileSync("curl", ["-s", "--unix-socket", bay.socket, url], { encoding: "utf8" });
      const { cpu_usage, throttling_data } = (
        JSON.parse(answer) as {
          cpu_stats: {
            cpu_usage: { total_usage: number };
            throttling_data: { throttled_periods: number };
          };
        }
      ).cpu_stats;
      return { usage: cpu_usage.total_usage, throttled: throttling_data.throttled_periods };
    };
    const [began, first] = [process.hrtime.bigint(), stats()];
    // On a busy machine the container gets less than its limit in most periods, so only the upper bound is fixed.
    await eventually(() => expect(stats().throttled).toBeGreaterThan(first.throttled + 19));
    const share = (stats().usage - first.usage) / Number(process.hrtime.bigint() - began);
    expect(share).toBeLessThan(0.575);
  });

  it("a process that exceeds the memory limit is killed, which is reported", async () => {
    await eventually(() =>
      expect(bay.ps().find(({ Service }) => Service === "hog")).toMatchObject({
        State: "exited",
        ExitCode: 137,
        OOMKilled: true,
      }),
    );
  });

  it("a fork bomb ends at the limit", () => {
    const { err } = sh("for i in $(seq 50); do sleep 5 & done", "fork");
    expect(err).toMatch(/can't fork|Resource temporarily unavailable/);
    expect(bay.ps().find(({ Service }) => Service === "fork")!.State).toBe("running");
  });

  it("its processes cannot be traced or signalled by another container", () => {
    const pid = bay.ps().find(({ Service }) => Service === "other")!.Pid;
    expect(sh(`kill -0 ${pid}`).code).not.toBe(0);
  });

  it("a container that shares the host's processes sees them, with its own privileges only", () => {
    expect(out("ps -o args", "host")).toContain("sleep 2000");
    writeFileSync(join(bay.folder, "stack", "marker"), "");
  });
});
