/** Which descriptors are open at each moment of a launch program, by a model of the kernel's descriptor table. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Program } from "../../../src/linux/built-program.ts";
import { FD, givenDescriptors } from "../../../src/linux/launch/descriptors.ts";
import { execProgram } from "../../../src/linux/launch/exec.ts";
import type { Stdio } from "../../../src/linux/launch/request.ts";
import { startProgram } from "../../../src/linux/launch/start.ts";
import type { Spec, SpecMount } from "../../../src/linux/spec.ts";

type Row = Program["rows"][number]["row"];

const OPENS = new Set([
  "openat",
  "openat2",
  "open_tree",
  "fsopen",
  "fsmount",
  "socket",
  "signalfd4",
  "eventfd2",
]);
const TIOCGPTPEER = 0x5441;
const CLOSE_ON_EXEC_ONLY = 4;

class DescriptorTable {
  readonly open: Set<number>;
  constructor(fds: Iterable<number>) {
    this.open = new Set(fds);
  }

  #lowest(): number {
    for (let fd = 0; ; fd++) if (!this.open.has(fd)) return fd;
  }

  apply({ name, args }: Row): void {
    const [first, second, third] = args.map(Number);
    if (OPENS.has(name) || (name === "ioctl" && second === TIOCGPTPEER)) this.open.add(this.#lowest());
    else if (name === "pipe2") for (const _ of [0, 1]) this.open.add(this.#lowest());
    else if (name === "dup3") {
      expect(this.open, `${name} of a descriptor that is not open`).toContain(first);
      this.open.add(second!);
    } else if (name === "close" && first !== -1) this.open.delete(first!);
    else if (name === "close_range" && third !== CLOSE_ON_EXEC_ONLY)
      for (const fd of [...this.open]) if (fd >= first! && fd <= second!) this.open.delete(fd);
  }
}

/** The rows as they run where every call succeeds and no comparison finds its word, from a label to the end. */
function* path({ rows }: Program, from: string): Generator<Row> {
  const at = (label: string) =>
    rows.findIndex(({ row }) => row.operation.label === label || row.labels.includes(label));
  for (let index = at(from); index >= 0 && index < rows.length; ) {
    const { row } = rows[index]!;
    const { jumpIfError, jumpIfZero, clone } = row.operation;
    yield row;
    if (row.name === "exit_group") return;
    const isComparison = row.name === "futex";
    // the devpts check compares for equality, and finds it
    const finds = isComparison && jumpIfZero !== undefined && Number(row.args[5]) === 0x1cd1;
    const next =
      (isComparison && jumpIfError) || finds || (row.name === "sched_yield" && jumpIfZero)
        ? (jumpIfError ?? jumpIfZero)
        : clone === "shim"
          ? clone
          : undefined;
    index = next === undefined ? index + 1 : at(next);
  }
}

const given = (stdio: Stdio, { pidfd, isGated }: { pidfd?: number; isGated?: boolean } = {}) => {
  const tty = stdio.kind === "tty" ? 1 : undefined;
  const streams = stdio.kind === "fds" ? stdio : { stdin: null, stdout: null, stderr: null };
  const list = givenDescriptors({
    started: 1,
    ttyReadyRead: tty,
    ttyReadyWrite: tty,
    ttyTakenRead: tty,
    ttyTakenWrite: tty,
    mountedWrite: isGated ? 1 : undefined,
    filesRead: isGated ? 1 : undefined,
    stdin: streams.stdin ?? undefined,
    stdout: streams.stdout ?? undefined,
    stderr: streams.stderr ?? undefined,
    pidfd,
  });
  return list.flatMap((fd, index) => (fd === undefined ? [] : [FD.started + index]));
};

/** The descriptors that are open when the program enters its working directory, and at each open in passing before. */
function follow(program: Program, stdio: Stdio, more: { pidfd?: number; isGated?: boolean } = {}) {
  // bayd's own descriptors, which a mistake let through
  const shim = new DescriptorTable([0, 1, 2, 3, 17, 64, 900, ...given(stdio, more)]);
  for (const row of path(program, "entry")) {
    shim.apply(row);
    if (row.operation.clone === "child") break;
  }
  const child = new DescriptorTable(shim.open);
  for (const row of path(program, "child")) {
    const inPassing = [...child.open].filter((fd) => fd > 2 && fd < FD.program);
    if (OPENS.has(row.name)) expect(inPassing.length, `before ${row.name}`).toBeLessThanOrEqual(1);
    if (row.name === "mkdirat" || row.name === "mknodat") expect(inPassing).not.toContain(4);
    if (row.name === "fchdir") return [...child.open].filter((fd) => fd !== 3).sort((a, b) => a - b);
    child.apply(row);
  }
  throw new Error("the program has no working directory");
}

const MOUNTS: SpecMount[] = [
  { destination: "/bind", type: "bind", source: "/tmp", options: ["rbind"] },
  { destination: "/ro", type: "bind", source: "/usr", options: ["bind", "ro"] },
  { destination: "/file", type: "bind", source: "/etc/passwd", options: ["bind"] },
  { destination: "/part", type: "bind", source: "/", subpath: "tmp", options: ["bind"] },
  { destination: "/slave", type: "bind", source: "/tmp", options: ["rbind", "rslave"] },
  { destination: "/memory", type: "tmpfs", options: ["size=1m"] },
  {
    destination: "/image",
    type: "image",
    image: { layersDirectory: "/layers", lower: ["a", "b"], isFile: false },
    subpath: "x",
  },
  {
    destination: "/dev/shm",
    type: "bind",
    source: "dev/shm",
    mountNamespace: "/proc/9/ns/mnt",
    options: ["bind"],
  },
  { destination: "/sys/kernel", type: "bind", source: "/sys/kernel", options: ["rbind"] },
];
const KERNEL: SpecMount[] = [
  { destination: "/proc", type: "proc" },
  { destination: "/dev", type: "tmpfs" },
  { destination: "/dev/pts", type: "devpts" },
  { destination: "/sys", type: "sysfs" },
  { destination: "/sys/fs/cgroup", type: "cgroup" },
];
const process: Spec["process"] = {
  user: { uid: 0, gid: 0 },
  args: ["true"],
  env: [],
  cwd: "/somewhere",
};
const anyStdio = fc.constantFrom<Stdio>(
  { kind: "tty" },
  { kind: "fifos", stdin: undefined, stdout: "/out", stderr: "/err" },
  { kind: "fifos", stdin: "/in", stdout: "/out", stderr: "/err" },
  { kind: "fds", stdin: null, stdout: 5, stderr: 6 },
  { kind: "fds", stdin: 4, stdout: 5, stderr: null },
);
const common = {
  name: "test",
  programFile: "/program",
  cgroupJoinFiles: ["/cgroup/a", "/cgroup/b"],
  shimJoinFiles: ["/cgroup/shim"],
  exitFifo: "/ended",
  token: Buffer.alloc(8),
};

describe("no descriptor of the host is open when the working directory is entered", () => {
  it("by a start, with any mounts, streams and namespaces", () => {
    const request = fc.record({
      stdio: anyStdio,
      init: fc.boolean(),
      cgroupView: fc.constantFrom<"v2" | string[]>("v2", ["cpu", "memory"]),
      kernel: fc.subarray(KERNEL),
      mounts: fc.subarray(MOUNTS),
      joined: fc.subarray(["pid", "network", "ipc", "uts"] as const),
      sysctl: fc.boolean(),
      isGated: fc.boolean(),
    });
    fc.assert(
      fc.property(request, ({ stdio, init, cgroupView, kernel, mounts, joined, sysctl, isGated }) => {
        const spec: Spec = {
          ociVersion: "1.1.0",
          process,
          root: { path: "/rootfs" },
          mounts: [...kernel, ...mounts],
          linux: {
            namespaces: [
              { type: "mount" },
              { type: "cgroup" },
              ...(["pid", "network", "ipc", "uts"] as const).map((type) => ({
                type,
                ...(joined.includes(type) ? { path: `/proc/9/ns/${type}` } : {}),
              })),
            ],
            devices: [{ path: "/dev/net/tun", type: "c", major: 10, minor: 200 }],
            sysctl: sysctl ? { "net.ipv4.ip_forward": "1" } : {},
            maskedPaths: ["/proc/kcore", "/sys/firmware"],
            readonlyPaths: ["/proc/sys"],
          },
        };
        const overlay = { layersDirectory: "/layers", lower: ["a"], upper: "/upper", work: "/work" };
        const program = startProgram({
          ...common,
          ...{ spec, overlay, stdio, init, cgroupView },
          mounted: isGated ? async () => {} : undefined,
        });
        const kept = init ? [FD.program, FD.started, FD.mainStatus, FD.mainGo] : [FD.started];
        expect(follow(program, stdio, { isGated })).toEqual([0, 1, 2, ...kept]);
      }),
    );
  });

  it("by an exec", () => {
    fc.assert(
      fc.property(anyStdio, (stdio) => {
        const program = execProgram({
          ...common,
          pidfd: 7,
          process,
          seccomp: undefined,
          namespaces: 0x20020000,
          stdio,
        });
        expect(follow(program, stdio, { pidfd: 7 })).toEqual([0, 1, 2, FD.started]);
      }),
    );
  });
});
