/** The doubles of linux/'s door pass the contracts that the kernel passes. */
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as real from "../../../src/linux/index.ts";
import { cgroupContract } from "../../contracts/cgroup.ts";
import { kernelContract, type Script } from "../../contracts/kernel.ts";
import { FakeCgroups } from "../../support/fake-cgroups.ts";
import { FakeKernel } from "../../support/fake-kernel.ts";

cgroupContract("the fake", () => {
  const alive = new Set<number>();
  const cgroups: FakeCgroups = new FakeCgroups({
    kill: (pid) => {
      alive.delete(pid);
      cgroups.leave(pid);
    },
    thawed: () => {},
  });
  return {
    manager: cgroups.manager("/bay-contract"),
    hasLimits: true,
    join: async (files) => {
      const pid = alive.size + 1;
      alive.add(pid);
      cgroups.join(pid, files);
      return { pid, isAlive: () => alive.has(pid) };
    },
    close: () => {},
  };
});

kernelContract("the recording double", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-kernel-"));
  const kernel = new FakeKernel();
  const door = kernel.door(real);
  const fifos = ["ended", "out", "err"].map((name) => join(folder, name));
  for (const fifo of fifos) real.makeFifo(fifo, 0o600);
  const [ends, out] = fifos.map((fifo) => openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK));
  kernel.command("exits", (process) => process.exit(3));
  kernel.command("waits", () => {});
  kernel.command("handles", (process) => {
    process.handlers.set(15, () => process.exit(7));
    process.print("ready\n");
  });
  kernel.refuse("missing", () => new real.StartError("the command missing does not exist", 127));
  const root = kernel.cgroups.manager("/bay-contract").group("one");
  root.create();
  const files = new Map<number, string>();
  let serial = 0;
  const shared = (script: Script) => ({
    name: "bay-test",
    programFile: join(folder, `program${++serial}`),
    cgroupJoinFiles: root.joinFiles(),
    shimJoinFiles: root.joinFiles(),
    exitFifo: fifos[0]!,
    token: Buffer.alloc(8),
    process: { user: { uid: 0, gid: 0 }, args: [script], env: [], cwd: "/" },
    stdio: { kind: "fifos" as const, stdin: undefined, stdout: fifos[1]!, stderr: fifos[2]! },
  });
  const noted = async (file: string, starting: Promise<real.Launched>) => {
    const launched = await starting;
    files.set(launched.pid, file);
    return launched;
  };
  const drained = (fd: number) => {
    const bytes = Buffer.alloc(4096);
    try {
      return bytes.toString("utf8", 0, readSync(fd, bytes));
    } catch {
      return "";
    }
  };
  let printed = "";
  let announced = 0;
  return {
    door,
    launch: (script) => {
      const { process, ...rest } = shared(script);
      const spec: real.Spec = {
        ociVersion: "1.1.0",
        process,
        root: { path: folder },
        mounts: [],
        linux: { namespaces: [{ type: "pid" }] },
      };
      return noted(
        rest.programFile,
        door.launch({ ...rest, spec, overlay: undefined, init: false, cgroupView: "v2" }),
      );
    },
    exec: (container, script) => {
      const rest = shared(script);
      const pidfd = door.openProcess(container.pid, container.start)!;
      return noted(rest.programFile, door.launchExec({ ...rest, pidfd, seccomp: undefined, namespaces: 0 }));
    },
    output: () => {
      printed += drained(out!);
      return printed;
    },
    program: ({ pid }) => real.readProgramState(readFileSync(files.get(pid)!)),
    announced: () => {
      announced += drained(ends!).length / 8;
      return announced;
    },
    close: () => {
      for (const fd of [ends!, out!]) closeSync(fd);
      rmSync(folder, { recursive: true });
    },
  };
});
