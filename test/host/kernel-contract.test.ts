/** Linux passes the contract of kernels, which the recording double of the unit tests passes, too. */
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import * as door from "../../src/linux/index.ts";
import { kernelContract, type Script } from "../contracts/kernel.ts";
import { makeBusybox } from "../support/bay.ts";

const NAMESPACES = door.CLONE_NEWNS | door.CLONE_NEWPID | door.CLONE_NEWUTS | door.CLONE_NEWIPC;
const COMMANDS: Record<Script, string[]> = {
  exits: ["/bin/sh", "-c", "exit 3"],
  waits: ["/bin/sleep", "1000000"],
  handles: ["/bin/sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done"],
  missing: ["/bin/none"],
};

const rootfs = mkdtempSync(join(tmpdir(), "bay-contract-root-"));
makeBusybox(rootfs);
afterAll(() => rmSync(rootfs, { recursive: true, force: true }));

kernelContract("Linux", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-kernel-"));
  const fifos = ["ended", "out", "err"].map((name) => join(folder, name));
  for (const fifo of fifos) door.makeFifo(fifo, 0o600);
  const [ends, out] = fifos.map((fifo) => openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK));
  const files = new Map<number, string>();
  let serial = 0;
  const shared = (script: Script) => ({
    name: "bay-test",
    programFile: join(folder, `program${++serial}`),
    cgroupJoinFiles: [],
    shimJoinFiles: [],
    exitFifo: fifos[0]!,
    token: Buffer.alloc(8),
    process: { user: { uid: 0, gid: 0 }, args: COMMANDS[script], env: [], cwd: "/" },
    stdio: { kind: "fifos" as const, stdin: undefined, stdout: fifos[1]!, stderr: fifos[2]! },
  });
  const noted = async (file: string, starting: Promise<door.Launched>) => {
    const launched = await starting;
    files.set(launched.pid, file);
    return launched;
  };
  const drained = (fd: number) => {
    const bytes = Buffer.alloc(4096);
    try {
      return bytes.toString("utf8", 0, readSync(fd, bytes));
    } catch {
      return ""; // there is nothing for now
    }
  };
  let printed = "";
  let announced = 0;
  return {
    door,
    launch: (script) => {
      const { process, ...rest } = shared(script);
      const spec: door.Spec = {
        ociVersion: "1.1.0",
        process,
        root: { path: rootfs },
        mounts: [
          { destination: "/proc", type: "proc", options: ["nosuid", "noexec", "nodev"] },
          { destination: "/dev", type: "tmpfs", options: ["nosuid", "mode=755", "size=64k"] },
        ],
        linux: { namespaces: (["mount", "pid", "ipc", "uts"] as const).map((type) => ({ type })) },
      };
      return noted(
        rest.programFile,
        door.launch({ ...rest, spec, overlay: undefined, init: false, cgroupView: "v2" }),
      );
    },
    exec: async (container, script) => {
      // an exec has descriptors and no FIFOs
      const { stdio: _, ...rest } = shared(script);
      const pidfd = door.openProcess(container.pid, container.start)!;
      const stdio = { kind: "fds" as const, stdin: null, stdout: null, stderr: null };
      try {
        return await noted(
          rest.programFile,
          door.launchExec({ ...rest, stdio, pidfd, seccomp: undefined, namespaces: NAMESPACES }),
        );
      } finally {
        door.close(pidfd);
      }
    },
    output: () => {
      printed += drained(out!);
      return printed;
    },
    program: ({ pid }) => door.readProgramState(readFileSync(files.get(pid)!)),
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
