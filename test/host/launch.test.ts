/**
 * Launches as the kernel runs them: a working directory never leads out of the container, and no process of a container
 * reaches an inode of the host's, whatever is mounted and however the streams are connected.
 */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { requireBelowRoot } from "../../src/linux/launch/container-paths.ts";
import { identifyProcesses } from "../../src/linux/launch/program-process.ts";
import type { LaunchRequest, Stdio } from "../../src/linux/launch/request.ts";
import { type Launched, launch, launchExec } from "../../src/linux/launch/run.ts";
import { close } from "../../src/linux/libc.ts";
import { makeFifo } from "../../src/linux/pipe.ts";
import { isAlive, openProcess, signalProcess } from "../../src/linux/process.ts";
import { ProgramBuilder } from "../../src/linux/program.ts";
import { HEADER } from "../../src/linux/program-format.ts";
import { readProgramState } from "../../src/linux/program-state.ts";
import { reapFirst, spawnShim } from "../../src/linux/shim.ts";
import type { Spec, SpecMount } from "../../src/linux/spec.ts";
import { makeBusybox } from "../support/bay.ts";
import { isLong } from "../support/long.ts";
import { RACE_ROUNDS, Swapper } from "../support/swapper.ts";

const NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000;
const SIGKILL = 9;

describe("a launch", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-launch-"));
  const rootfs = join(folder, "rootfs");
  const volume = join(folder, "volume");
  const path = (name: string) => join(folder, name);
  const running: Launched[] = [];

  const MOUNTS: SpecMount[] = [
    { destination: "/bind", type: "bind", source: volume, options: ["rbind", "ro"] },
    { destination: "/file", type: "bind", source: join(volume, "file"), options: ["bind"] },
    { destination: "/part", type: "bind", source: volume, subpath: "in", options: ["bind"] },
    { destination: "/slave", type: "bind", source: volume, options: ["rbind", "rslave"] },
    { destination: "/memory", type: "tmpfs", options: ["size=1m"] },
    {
      destination: "/image",
      type: "image",
      image: { layersDirectory: folder, lower: ["volume"], isFile: false },
    },
  ];
  const kernel = ["nosuid", "noexec", "nodev"];
  const KERNEL: SpecMount[] = [
    { destination: "/proc", type: "proc", options: kernel },
    { destination: "/dev", type: "tmpfs", options: ["nosuid", "mode=755", "size=64k"] },
    {
      destination: "/dev/pts",
      type: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
    },
    { destination: "/sys", type: "sysfs", options: [...kernel, "ro"] },
  ];

  beforeAll(() => {
    makeBusybox(rootfs);
    mkdirSync(join(volume, "in"), { recursive: true });
    writeFileSync(join(volume, "file"), "");
    makeFifo(path("ended"), 0o600);
    for (const name of ["out", "err"]) makeFifo(path(name), 0o600);
  });
  afterEach(() => {
    for (const { pid, start, shimPid, shimStart } of running.splice(0)) {
      signalProcess(pid, start, SIGKILL);
      signalProcess(shimPid, shimStart, SIGKILL);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const requestOf = (change: {
    cwd?: string;
    args?: string[];
    mounts?: SpecMount[];
    stdio?: Stdio;
    init?: boolean;
  }): LaunchRequest => {
    const spec: Spec = {
      ociVersion: "1.1.0",
      process: {
        user: { uid: 0, gid: 0 },
        args: change.args ?? ["/bin/sleep", "1000"],
        env: [],
        cwd: change.cwd ?? "/",
      },
      root: { path: rootfs },
      mounts: [...KERNEL, ...(change.mounts ?? MOUNTS)],
      linux: {
        namespaces: (["mount", "pid", "ipc", "uts", "network"] as const).map((type) => ({ type })),
        maskedPaths: ["/proc/kcore", "/sys/firmware"],
        readonlyPaths: ["/proc/sys"],
      },
    };
    return {
      spec,
      name: "bay-test",
      programFile: path("program"),
      overlay: undefined,
      cgroupJoinFiles: [],
      shimJoinFiles: [],
      exitFifo: path("ended"),
      token: Buffer.alloc(8),
      stdio: change.stdio ?? { kind: "fifos", stdin: undefined, stdout: path("out"), stderr: path("err") },
      init: change.init ?? false,
      cgroupView: "v2",
    };
  };
  const start = async (change: Parameters<typeof requestOf>[0]) => {
    const launched = await launch(requestOf(change));
    running.push(launched);
    return launched;
  };
  const exec = async (container: Launched, cwd: string, stdio: Stdio, args = ["/bin/sleep", "1000"]) => {
    const pidfd = openProcess(container.pid, container.start)!;
    try {
      const { spec, overlay: _, init: __, cgroupView: ___, ...rest } = requestOf({ cwd, args, stdio });
      const launched = await launchExec({
        ...rest,
        programFile: path("exec"),
        pidfd,
        process: spec.process,
        seccomp: undefined,
        namespaces: NAMESPACES,
      });
      running.push(launched);
      return launched;
    } finally {
      close(pidfd);
    }
  };
  const pipes: Stdio = { kind: "fds", stdin: null, stdout: null, stderr: null };

  const OUTSIDE = [
    "/proc/self/cwd",
    "/proc/self/root",
    "/proc/1/root",
    "/proc/1/cwd",
    "/proc/self/ns",
    "/proc/self/exe",
  ];
  /** The first ones are those that the runtime itself has open. */
  const NUMBERS = Array.from({ length: 1024 }, (_, number) => number).filter(
    (number) => isLong || number < 64 || number % 64 === 63,
  );

  it("refuses a working directory that is any descriptor, from 0 to 1023", async () => {
    for (const number of NUMBERS)
      for (const cwd of number < 16
        ? [`/proc/self/fd/${number}`, `/dev/fd/${number}/..`]
        : [`/proc/thread-self/fd/${number}`])
        await expect(start({ cwd }), cwd).rejects.toThrow(/working directory .*(magic link|ENOENT)/);
  });

  /** The program file as a starter leaves it that is killed after the launch, before it has written the start times. */
  const forgetStarts = (change: { childPid?: number; shimPid?: number } = {}) => {
    const fd = openSync(path("program"), "r+");
    writeSync(fd, Buffer.alloc(16), 0, 16, HEADER.childStart);
    for (const [field, pid] of Object.entries(change)) {
      const word = Buffer.alloc(4);
      word.writeUInt32LE(pid);
      writeSync(fd, word, 0, 4, HEADER[field as "childPid" | "shimPid"]);
    }
    closeSync(fd);
    return readProgramState(readFileSync(path("program")));
  };

  it("is found again by its program file if its starter was killed before it recorded the start times", async () => {
    const { pid, start: began, shimPid, shimStart } = await start({});
    const known = { childPid: pid, childStart: began, shimPid, shimStart };
    expect(identifyProcesses(path("program"), forgetStarts())).toMatchObject(known);
    // what the file of a hostile or broken process names is not believed
    expect(identifyProcesses(path("program"), forgetStarts({ childPid: process.pid }))).toMatchObject({
      shimPid,
      shimStart,
      childPid: 0,
    });
    const other = forgetStarts({ childPid: pid, shimPid: process.pid });
    expect(identifyProcesses(path("program"), other)).toMatchObject({ shimPid: 0, childPid: 0 });
  });

  it("refuses it for an exec, too", async () => {
    const container = await start({});
    for (const number of NUMBERS)
      await expect(exec(container, `/proc/self/fd/${number}`, pipes)).rejects.toThrow(
        /working directory .*(magic link|ENOENT)/,
      );
    for (const cwd of OUTSIDE.slice(0, 4))
      await expect(exec(container, cwd, pipes)).rejects.toThrow(/magic link/);
  });

  it("refuses links of /proc, also by a symbolic link of the image", async () => {
    symlinkSync("/proc/self/root", join(rootfs, "link"));
    symlinkSync("link/..", join(rootfs, "further"));
    try {
      for (const cwd of [...OUTSIDE.slice(0, 4), "/link", "/further", "/link/bin"])
        await expect(start({ cwd }), cwd).rejects.toThrow(/magic link/);
    } finally {
      for (const name of ["link", "further"]) rmSync(join(rootfs, name));
    }
    const container = await start({ cwd: "/bin/../made/here" });
    expect(statSync(join(rootfs, "made/here")).isDirectory()).toBe(true);
    expect(isAlive(container.pid, container.start)).toBe(true);
  });

  it("follows a symbolic link of the image inside it", async () => {
    symlinkSync("/etc", join(rootfs, "settings"));
    const { pid } = await start({ cwd: "/settings" });
    expect(execFileSync("readlink", [`/proc/${pid}/cwd`], { encoding: "utf8" }).trim()).toMatch(/\/etc$/);
  });

  it("stops if the working directory is not below the root", () => {
    // the check alone, in a process whose directory is outside of its root
    const check = (directory: string) => {
      const program = new ProgramBuilder().entry("entry");
      program.call("chdir", [directory], { label: "entry" });
      program.call("chroot", [rootfs]);
      requireBelowRoot(program, "check");
      program.call("exit_group", [0]);
      const file = path("check");
      writeFileSync(file, "");
      const fd = openSync(file, "r+");
      const built = program.build();
      built.writeTo(fd);
      try {
        reapFirst(spawnShim("bay-test", fd));
        return undefined;
      } catch {
        return built.failure(fd)?.message;
      } finally {
        close(fd);
      }
    };
    expect(check("/usr")).toBe("check: it is not below the root of the container");
    expect(check(join(rootfs, "bin"))).toBeUndefined();
  });

  /** Device numbers of the host's file systems, and what may be reached of them. */
  const reachable = (pid: number): string[] => {
    const found: string[] = [];
    const look = (link: string) => {
      try {
        const { dev, ino } = statSync(link);
        found.push(`${dev}:${ino}`);
      } catch {
        // it ended, or is no file
      }
    };
    for (const name of readdirSync(`/proc/${pid}/fd`)) look(`/proc/${pid}/fd/${name}`);
    for (const name of ["cwd", "root", "exe"]) look(`/proc/${pid}/${name}`);
    for (const name of readdirSync(`/proc/${pid}/map_files`)) look(`/proc/${pid}/map_files/${name}`);
    return found;
  };
  const inodeOf = (file: string) => {
    const { dev, ino } = statSync(file);
    return `${dev}:${ino}`;
  };
  /** Every process below the shim, which is the container's. */
  const processesOf = ({ shimPid }: Launched): number[] => {
    const below = (pid: number): number[] =>
      readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
        .split(" ")
        .filter(Boolean)
        .map(Number)
        .flatMap((child) => [child, ...below(child)]);
    return below(shimPid);
  };

  it.each([
    ["plain", { init: false, tty: false }],
    ["with an init", { init: true, tty: false }],
    ["with a terminal", { init: false, tty: true }],
    ["with an init and a terminal", { init: true, tty: true }],
  ])("gives a container nothing of the host's but its mounts and FIFOs: %s", async (_, { init, tty }) => {
    const container = await start({ init, ...(tty ? { stdio: { kind: "tty" } } : {}) });
    const commands = [await exec(container, "/", pipes), await exec(container, "/", { kind: "tty" })];
    const hostDevices = statSync("/dev").dev;
    const own = new Set([path("out"), path("err"), rootfs, join(rootfs, "bin/busybox")].map(inodeOf));
    const hostFileSystems = new Set(["/", "/run", "/tmp", "/dev", folder].map((each) => statSync(each).dev));
    const pids = [container, ...commands].flatMap(processesOf);
    expect(pids.length).toBe(init ? 4 : 3);
    for (const pid of pids)
      for (const inode of reachable(pid)) {
        const device = Number(inode.split(":")[0]);
        expect(device, `an inode of /dev, in ${pid}`).not.toBe(hostDevices);
        if (hostFileSystems.has(device)) expect(own, `an inode of the host's in ${pid}`).toContain(inode);
      }
  });

  it.each([
    ["/proc", "/proc"],
    ["a directory below it", "/proc/sys/net"],
    ["/sys", "/sys/kernel"],
    ["a path with dots", "/x/../proc/1"],
  ])("mounts nothing over %s", async (_, destination) => {
    for (const mount of [
      { destination, type: "tmpfs" },
      { destination, type: "bind", source: volume, options: ["bind"] },
    ])
      await expect(start({ mounts: [mount] }), destination).rejects.toThrow(/nothing can be mounted at/);
  });

  it.each([
    "/proc/1/attr",
    "/proc/self/fd/0",
    "/proc/sys/kernel",
    "/sys/kernel",
  ])("mounts nothing over %s by a symbolic link of a volume", async (target) => {
    const inside = mkdtempSync(join(volume, "hostile-"));
    symlinkSync(target, join(inside, "link"));
    const mounts: SpecMount[] = [
      { destination: "/v", type: "bind", source: inside, options: ["bind"] },
      { destination: "/v/link", type: "tmpfs" },
    ];
    await expect(start({ mounts })).rejects.toThrow(/magic link|file system of the kernel/);
    rmSync(inside, { recursive: true });
  });

  it("allows files of /proc that lxcfs provides, and the host's /sys", async () => {
    const { pid } = await start({
      mounts: [
        { destination: "/proc/cpuinfo", type: "bind", source: join(volume, "file"), options: ["bind"] },
        { destination: "/sys/kernel", type: "bind", source: "/sys/kernel", options: ["bind", "ro"] },
      ],
    });
    expect(readFileSync(`/proc/${pid}/root/proc/cpuinfo`, "utf8")).toBe("");
  });

  const mountsOf = ({ pid }: Launched) => readFileSync(`/proc/${pid}/mountinfo`, "utf8");

  it("does not follow a symbolic link that is exchanged during the mount (CVE-2021-30465, CVE-2024-45310)", async () => {
    const shared = mkdtempSync(join(folder, "shared-"));
    const outside = mkdtempSync(join(folder, "outside-"));
    writeFileSync(join(outside, "secret"), "of the host");
    const swapper = new Swapper(shared, { directory: "place", link: "/proc/self/attr" });
    const escaping = new Swapper(shared, {
      directory: "part",
      link: `../${outside.slice(folder.length + 1)}`,
    });
    let started = 0;
    try {
      for (let round = 0; round < RACE_ROUNDS; round++) {
        const mounts: SpecMount[] = [
          { destination: "/v", type: "bind", source: shared, options: ["bind"] },
          { destination: "/v/place", type: "tmpfs" },
          { destination: "/v/part/made/deep", type: "tmpfs" },
          { destination: "/taken", type: "bind", source: shared, subpath: "part", options: ["bind"] },
        ];
        const container = await start({ mounts }).catch(() => undefined);
        if (!container) continue;
        started++;
        expect(mountsOf(container)).not.toMatch(/ \/proc\/\S+ \S+ - tmpfs/);
        expect(existsSync(`/proc/${container.pid}/root/taken/secret`)).toBe(false);
        signalProcess(container.pid, container.start, SIGKILL);
        signalProcess(container.shimPid, container.shimStart, SIGKILL);
        running.pop();
      }
    } finally {
      await swapper.end();
      await escaping.end();
    }
    expect(started, "of the starts, some succeeded").toBeGreaterThan(0);
    expect(swapper.swaps).toBeGreaterThan(RACE_ROUNDS);
    expect(readdirSync(outside)).toEqual(["secret"]);
  });

  it("does not change the host's null device", async () => {
    const before = statSync("/dev/null");
    const container = await start({
      args: ["/bin/sh", "-c", "chmod 600 /proc/self/fd/0 /dev/null; sleep 1000"],
    });
    await exec(container, "/", pipes, ["/bin/sh", "-c", "chmod 600 /proc/self/fd/0; sleep 1000"]);
    expect(statSync("/dev/null").ctimeMs).toBe(before.ctimeMs);
  });
});
