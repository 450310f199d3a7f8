/**
 * Ways out of a container at its start, an exec or beside them, which container tools have had. Each test names the published
 * faults of its kind; docs/security.md has the whole table.
 */
import { execFileSync } from "node:child_process";
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
import { Bay, makeBusybox } from "../support/bay.ts";
import { ask, askFor } from "../support/engine.ts";

describe("a container", () => {
  const bay = new Bay();
  const outside = join(bay.folder, "outside");
  const image = (name: string, change: (rootfs: string) => void) => {
    const rootfs = join(bay.folder, name);
    makeBusybox(rootfs);
    change(rootfs);
    return `${name}: { rootfs: ../${name} }`;
  };
  beforeAll(() => {
    mkdirSync(outside, { mode: 0o755 });
    writeFileSync(join(outside, "victim"), "of the host");
    writeFileSync(join(bay.folder, "given"), "given");
    const images = [
      image("box", () => {}),
      image("fifo", (rootfs) => {
        rmSync(join(rootfs, "etc/passwd"));
        execFileSync("mkfifo", [join(rootfs, "etc/passwd")]);
      }),
      image("huge", (rootfs) => {
        rmSync(join(rootfs, "etc/passwd"));
        execFileSync("truncate", ["-s", "2M", join(rootfs, "etc/passwd")]);
      }),
      image("links", (rootfs) => {
        for (const name of ["hosts", "hostname", "resolv.conf", "mtab"])
          symlinkSync(join(outside, name), join(rootfs, "etc", name));
        symlinkSync(outside, join(rootfs, "run"));
      }),
    ];
    bay.write(`
name: escape
images:
  ${images.join("\n  ")}
  volumes: { rootfs: ../box, config: { volumes: ["/../../../../../..${outside}"] } }
configs: { given: { file: ../given } }
services:
  plain: { image: box, command: sleep 1000, stop_grace_period: 0s, network_mode: none, environment: { SECRET: of-plain } }
  traced: { image: box, command: sleep 1000, stop_grace_period: 0s, network_mode: none, init: true }
  host: { image: box, command: sleep 1000, stop_grace_period: 0s, network_mode: host }
  user: { image: box, command: sleep 1000, stop_grace_period: 0s, network_mode: none, user: "1000:1000", group_add: ["2000"] }
  itself: { image: box, entrypoint: /proc/self/exe, network_mode: none }
  fifo: { image: fifo, command: sleep 1000, stop_grace_period: 0s, network_mode: none, user: app }
  huge: { image: huge, command: sleep 1000, stop_grace_period: 0s, network_mode: none, user: app }
  links: { image: links, command: sleep 1000, stop_grace_period: 0s, network_mode: none, configs: [{ source: given, target: /etc/mtab }], secrets: [given] }
  volumes: { image: volumes, command: sleep 1000, stop_grace_period: 0s, network_mode: none }
secrets: { given: { file: ../given } }
`);
    bay.ok("up", "-d", "plain", "traced", "host", "user");
  });
  afterAll(() => bay.close());
  const out = (service: string, script: string) =>
    bay.run(["exec", "-T", service, "sh", "-c", script]).out.trim();

  it("cannot run or overwrite the runtime as /proc/self/exe (CVE-2019-5736)", async () => {
    const { code, err } = bay.run(["up", "-d", "itself"]);
    expect(bay.ps().find(({ Service }) => Service === "itself")?.State ?? err).not.toBe("running");
    expect([0, 1]).toContain(code);
    const script =
      "cd /tmp; n=0; while [ ! -e stop ]; do for p in /proc/[0-9]*; do case $(readlink $p/exe) in *memfd*|*bay*) echo x 2>/dev/null > $p/exe && echo $p >> wrote;; esac; done; done";
    const writer = bay.start(["exec", "-T", "traced", "sh", "-c", script]);
    for (let round = 0; round < 15; round++) expect(out("traced", "echo fine")).toBe("fine");
    bay.ok("exec", "-T", "traced", "touch", "/tmp/stop");
    await new Promise((resolve) => writer.once("close", resolve));
    expect(out("traced", "cat /tmp/wrote")).toBe("");
    expect(readFileSync(process.execPath).subarray(0, 4).toString("latin1")).toBe("\u007fELF");
  });

  /** Every way to choose a working directory; each gives what was printed. */
  const doors: Record<string, (cwd: string) => Promise<string> | string> = {
    "exec -w": (cwd) => said("exec", "-T", "-w", cwd, "plain", ...LOOK),
    "run -w": (cwd) => said("run", "--rm", "-T", "-w", cwd, "plain", ...LOOK),
    "container run -w": (cwd) => said("container", "run", "--rm", "-w", cwd, "box", ...LOOK),
    "POST /containers/create": async (cwd) => {
      const body = { Image: "box", Cmd: LOOK, WorkingDir: cwd, HostConfig: { NetworkMode: "none" } };
      const { Id } = (await askFor<{ Id: string }>(bay, "POST", "/containers/create", body))!;
      const started = await ask(bay, "POST", `/containers/${Id}/start`);
      const printed = said("container", "logs", Id);
      await ask(bay, "DELETE", `/containers/${Id}?force=1`);
      return started.body + printed;
    },
    "POST /containers/:/exec": async (cwd) => {
      const body = { Cmd: LOOK, WorkingDir: cwd, AttachStdout: true };
      const { Id } = (await askFor<{ Id: string }>(bay, "POST", "/containers/escape-plain-1/exec", body))!;
      return (await ask(bay, "POST", `/exec/${Id}/start`, { Detach: false })).body;
    },
    "a stack file": (cwd) =>
      up(`working_dir: ${cwd}, command: [${LOOK.map((word) => JSON.stringify(word)).join()}]`),
    "an image": (cwd) =>
      up(`image: chosen, command: [${LOOK.map((word) => JSON.stringify(word)).join()}]`, cwd),
    "a hook": (cwd) =>
      up(
        `command: sleep 1000, post_start: [{ command: [${LOOK.map((word) => JSON.stringify(word)).join()}], working_dir: ${cwd} }]`,
      ),
  };
  const LOOK = ["sh", "-c", `cat ../../../../../../../../..${outside}/victim ../victim; echo ran`];
  const said = (...args: string[]) => {
    const { out: text, err } = bay.run(args);
    return text + err;
  };
  const up = (service: string, cwd = "/") => {
    const images = `box: { rootfs: ../box }, chosen: { rootfs: ../box, config: { working_dir: ${cwd} } }`;
    const whole = service.includes("image:") ? service : `image: box, ${service}`;
    bay.write(
      `name: doors\nimages: { ${images} }\nservices: { a: { ${whole}, network_mode: none, stop_grace_period: 0s } }\n`,
      "doors.yaml",
    );
    const text = said("-f", "doors.yaml", "up", "-d") + said("-f", "doors.yaml", "logs");
    bay.ok("-f", "doors.yaml", "down", "-t", "0");
    return text;
  };

  it.each(Object.keys(doors))("enters no descriptor by %s (CVE-2024-21626)", async (door) => {
    for (const cwd of [
      "/proc/self/fd/3",
      "/proc/self/fd/14",
      "/proc/self/fd/33",
      "/dev/fd/62",
      "/proc/1/root",
    ]) {
      const text = await doors[door]!(cwd);
      expect(text, cwd).not.toContain("of the host");
      expect(text, cwd).toMatch(/working directory|magic link|no such file|not found/i);
      expect(text, cwd).not.toMatch(/^ran$/m);
    }
  });

  it("has no inheritable capabilities, and just its own groups (CVE-2022-24769, CVE-2022-29162, CVE-2022-36109)", () => {
    for (const service of ["plain", "user"]) {
      expect(out(service, "grep CapInh /proc/1/status")).toMatch(/0{16}$/);
      expect(out(service, "grep CapInh /proc/self/status")).toMatch(/0{16}$/);
    }
    expect(out("user", "grep Groups /proc/1/status").split(/\s+/).slice(1)).toEqual(["1000", "2000"]);
    expect(out("user", "id -G")).toBe("1000 2000");
    expect(out("user", "grep CapEff /proc/1/status")).toMatch(/0{16}$/);
  });

  it("finds no socket of bay's in the host's network (CVE-2020-15257)", () => {
    expect(out("host", "cat /proc/net/unix | grep -c '@.*bay'")).toBe("0");
    // the path of the socket is in no file system of the container
    expect(out("host", `ls ${bay.socket} 2>&1`)).toContain("No such file");
  });

  it("lets only root access its directories (CVE-2021-41091, CVE-2021-41103)", () => {
    for (const directory of ["root", "run"])
      expect(statSync(join(bay.folder, directory)).mode & 0o066, directory).toBe(0);
    for (const name of readdirSync(join(bay.folder, "run", "containers")))
      expect(statSync(join(bay.folder, "run", "containers", name)).mode & 0o077, name).toBe(0);
  });

  it("does not see another's environment (CVE-2020-14370, CVE-2021-3602)", () => {
    expect(out("traced", "env; cat /proc/*/environ")).not.toContain("of-plain");
    const programs = execFileSync("sh", [
      "-c",
      `find ${join(bay.folder, "run", "containers")} -type f | xargs grep -l of-plain || true`,
    ]);
    expect(programs.toString()).toBe("");
  });

  it("is listed without running its programs (CVE-2022-1227)", () => {
    bay.ok(
      "exec",
      "-T",
      "plain",
      "sh",
      "-c",
      "rm /bin/ps; printf '#!/bin/sh\\ntouch /ran\\n' > /bin/ps; chmod 755 /bin/ps",
    );
    expect(bay.ok("top", "plain")).toContain("sleep 1000");
    expect(bay.run(["exec", "-T", "plain", "test", "-e", "/ran"]).code).toBe(1);
  });

  it("cannot delay its start or fill memory with /etc/passwd (CVE-2024-9676)", () => {
    expect(bay.run(["up", "-d", "fifo"]).err).toContain("no user app");
    expect(bay.run(["up", "-d", "huge"]).err).toMatch(/passwd.*2097152/);
  });

  it("gets files by name inside, whatever is a symbolic link (CVE-2024-5154, CVE-2025-9566)", () => {
    bay.ok("up", "-d", "links");
    expect(out("links", "cat /etc/mtab /run/secrets/given")).toBe("givengiven");
    expect(readdirSync(outside)).toEqual(["victim"]);
  });

  it("gets a volume at its own path, and no files of the host in it (CVE-2022-23648)", () => {
    bay.run(["up", "-d", "volumes"]);
    expect(out("volumes", `ls ${outside} 2>/dev/null`)).not.toContain("victim");
    expect(readFileSync(join(outside, "victim"), "utf8")).toBe("of the host");
  });

  it.each([
    ["kernel.core_pattern", "|/tmp/x"],
    ["net/../kernel/core_pattern", "|/tmp/x"],
    ["net..kernel.core_pattern", "|/tmp/x"],
    ["net.ipv4.ip_forward", "1+kernel.core_pattern=x"],
    ["kernel.shm_rmid_forced", "1\\nkernel.core_pattern=x"],
  ])("cannot set a parameter of the host: %s = %s (CVE-2022-0811)", (name, value) => {
    const before = readFileSync("/proc/sys/kernel/core_pattern", "utf8");
    bay.write(
      `name: sysctl\nimages: { box: { rootfs: ../box } }\nservices: { a: { image: box, command: sleep 1000, network_mode: none, stop_grace_period: 0s, sysctls: { "${name}": "${value}" } } }\n`,
      "sysctl.yaml",
    );
    const { code } = bay.run(["-f", "sysctl.yaml", "up", "-d"]);
    expect(code).toBe(1);
    expect(readFileSync("/proc/sys/kernel/core_pattern", "utf8")).toBe(before);
  });
});

describe("a build", () => {
  const bay = new Bay();
  const outside = join(bay.folder, "outside");
  const context = join(bay.folder, "stack");
  beforeAll(() => {
    bay.busybox();
    mkdirSync(join(outside, "cache"), { recursive: true });
    writeFileSync(join(outside, "secret"), "of the host");
    chmodSync(outside, 0o755);
    bay
      .write(
        "name: base\nimages: { box: { rootfs: ../busybox } }\nservices: { a: { image: box, command: ls } }\n",
      )
      .ok("up", "--no-start");
  });
  afterAll(() => bay.close());
  const build = (dockerfile: string) => {
    writeFileSync(join(context, "Dockerfile"), `FROM box\n${dockerfile}\n`);
    return bay.run(["image", "build", "-t", "made", "."]);
  };
  const untouched = () => {
    expect(readdirSync(outside).sort()).toEqual(["cache", "secret"]);
    expect(readFileSync(join(outside, "secret"), "utf8")).toBe("of the host");
    expect(readdirSync(join(outside, "cache"))).toEqual([]);
  };

  it.each([
    "/",
    "../..",
    "/proc/self/root",
    "OUTSIDE",
  ])("mounts no folder of the host by a symbolic link to %s (CVE-2024-1753, CVE-2024-11218)", (target) => {
    const to = target === "OUTSIDE" ? outside : target;
    rmSync(join(context, "link"), { force: true });
    symlinkSync(to, join(context, "link"));
    const look = `cat /m${outside}/secret /m/secret /m/../secret 2>/dev/null; true`;
    for (const mount of [
      "type=bind,source=link,target=/m",
      "type=bind,source=link,target=/m,rw",
      "type=bind,from=stage,source=/link,target=/m,rw",
    ]) {
      const { out, err } = build(
        `RUN ln -s ${to} /link\nFROM box AS stage\nRUN ln -s ${to} /link\nFROM box\nRUN --mount=${mount} ${look}; echo x > /m${outside}/made; echo x > /m/made; true`,
      );
      expect(out + err).not.toContain("of the host");
      untouched();
    }
  });

  it("keeps a cache mount in the directory of caches, whatever its id (CVE-2024-9675, CVE-2024-23651)", () => {
    for (const id of [`../../../../../..${outside}/cache`, `${outside}/cache`, "..", "a/../../b"]) {
      const { code } = build(`RUN --mount=type=cache,id=${id},target=/c echo x > /c/made`);
      expect(code, id).toBe(0);
      untouched();
    }
    const linked = build(
      `FROM box AS stage\nRUN ln -s ${outside} /link\nFROM box\nRUN --mount=type=cache,from=stage,source=/link,target=/c cat /c/secret; echo x > /c/made; true`,
    );
    expect(linked.out + linked.err).not.toContain("of the host");
    untouched();
  });

  it("reads no file of the host by a symbolic link in the context (CVE-2022-4122, CVE-2022-4123)", () => {
    symlinkSync(join(outside, "secret"), join(context, "file-link"));
    symlinkSync(outside, join(context, "folder-link"));
    const look = "cat /x /x/secret /file-link /folder-link/secret 2>/dev/null; true";
    for (const copy of [
      "file-link /x",
      "folder-link/secret /x",
      "folder-link /x",
      ". /",
      "folder-link/* /x/",
    ]) {
      const { out, err } = build(`COPY ${copy}\nRUN ${look}`);
      expect(out + err, copy).not.toContain("of the host");
      untouched();
    }
    rmSync(join(context, "file-link"));
    symlinkSync(join(outside, "secret"), join(context, ".dockerignore"));
    const { out, err } = build("COPY . /x");
    expect(out + err).not.toContain("of the host");
    rmSync(join(context, ".dockerignore"));
  });

  it("refuses what the command did not allow (CVE-2024-23653)", () => {
    const { code, err } = build("RUN --security=insecure mount -t tmpfs x /tmp");
    expect(code).toBe(1);
    expect(err).toContain("security.insecure");
  });

  it("enters no descriptor of the host's by WORKDIR (CVE-2024-21626)", () => {
    for (const number of [0, 3, 8, 14, 29, 32, 33, 48, 53, 62]) {
      const { code, out, err } = build(
        `WORKDIR /proc/self/fd/${number}\nRUN cat ../../../../../../..${outside}/secret ../secret; pwd`,
      );
      expect(code, String(number)).toBe(1);
      expect(out + err).not.toContain("of the host");
      untouched();
    }
    expect(existsSync(join(outside, "made"))).toBe(false);
  });
});
