/** The program of a container's start: namespaces, file systems, names, identity, exec. */
import { BayError } from "../../core/errors.ts";
import * as abi from "../abi.ts";
import type { Program } from "../built-program.ts";
import { ProgramBuilder } from "../program.ts";
import type { Spec } from "../spec.ts";
import { enterDirectory, makeDirectories } from "./container-paths.ts";
import { closePassing, dropHostDescriptors, dropShimDescriptors, PASSING, writeFile } from "./descriptors.ts";
import { addExec, addIdentity, addOpenFiles } from "./identity.ts";
import { addInit } from "./init.ts";
import { addMounts } from "./mounts.ts";
import type { LaunchRequest } from "./request.ts";
import { addConsole, addGivenStreams, addNullStreams, addSession, addTty } from "./streams.ts";
import { addSupervisor } from "./supervise.ts";

const PR_SET_DUMPABLE = 4;

const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;

const NAMESPACE_FLAGS = {
  pid: abi.CLONE_NEWPID,
  network: abi.CLONE_NEWNET,
  mount: abi.CLONE_NEWNS,
  ipc: abi.CLONE_NEWIPC,
  uts: abi.CLONE_NEWUTS,
  user: abi.CLONE_NEWUSER,
  cgroup: abi.CLONE_NEWCGROUP,
} as const;

/** Namespaces that the clone creates; a cgroup namespace comes later, when the process is in its cgroup. */
function cloneFlags(spec: Spec): number {
  return spec.linux.namespaces
    .filter(({ type, path }) => path === undefined && type !== "cgroup")
    .reduce((flags, { type }) => flags | NAMESPACE_FLAGS[type], 0);
}

/**
 * Returns the whole program of a start. Throws BayError if this host or bay cannot do what the spec requires; the host is
 * unchanged then.
 */
export function startProgram(request: LaunchRequest): Program {
  const { spec } = request;
  if (!spec.linux.namespaces.some(({ type, path }) => type === "mount" && path === undefined)) {
    throw new BayError("UNSUPPORTED_SPEC", "a container needs its own mount namespace");
  }
  const joined = spec.linux.namespaces.filter(({ path }) => path !== undefined);
  const program = new ProgramBuilder();
  addSupervisor(program, {
    joinFiles: request.shimJoinFiles,
    exitFifo: request.exitFifo,
    token: request.token,
    stdio: request.stdio,
    cloneFlags: cloneFlags(spec),
    init: request.init,
    beforeClone: () => {
      // Only the next child enters a PID namespace, so the shim joins it and itself stays outside.
      for (const { type, path } of joined) if (type === "pid") addJoin(program, path!, abi.CLONE_NEWPID);
    },
  });

  program.call("prctl", [PR_SET_DUMPABLE, 0, 0, 0, 0], { label: "child" });
  dropShimDescriptors(program);
  writeFile(program, "/proc/self/oom_score_adj", String(spec.process.oomScoreAdj ?? 0));
  for (const file of request.cgroupJoinFiles) writeFile(program, file, "0");
  if (spec.linux.namespaces.some(({ type, path }) => type === "cgroup" && path === undefined)) {
    program.call("unshare", [abi.CLONE_NEWCGROUP]);
  }
  for (const { type, path } of joined) if (type !== "pid") addJoin(program, path!, NAMESPACE_FLAGS[type]);
  if (spec.linux.namespaces.some(({ type, path }) => type === "network" && path === undefined))
    addLoopback(program);
  addGivenStreams(program, request.stdio);
  addMounts(program, request);
  addNullStreams(program, request.stdio);
  if (spec.hostname)
    program.call("sethostname", [program.text(spec.hostname), Buffer.byteLength(spec.hostname)]);
  if (spec.domainname)
    program.call("setdomainname", [program.text(spec.domainname), Buffer.byteLength(spec.domainname)]);
  const tty = request.stdio.kind === "tty";
  if (tty) {
    addTty(program, spec.process.consoleSize);
    addConsole(program);
  }
  // from here on paths of the container are followed
  dropHostDescriptors(program, request.init);
  makeDirectories(program, spec.process.cwd, `make the working directory ${spec.process.cwd}`);
  enterDirectory(program, spec.process.cwd);
  if (!request.init) addSession(program, tty);
  if (request.init) addOpenFiles(program, spec.process, true);
  addIdentity(program, spec.process, spec.linux.seccomp, !request.init);
  if (request.init) {
    // PID 1 is inside already: it has the container's privileges and filter, and no more
    addInit(program);
    addOpenFiles(program, spec.process, false);
    addSession(program, tty);
  }
  addExec(program, spec.process);
  return program.build();
}

function addJoin(program: ProgramBuilder, path: string, flag: number): void {
  const about = `join ${path}`;
  program.call("openat", [abi.AT_FDCWD, path, abi.O_RDONLY | abi.O_CLOEXEC, 0], { about });
  program.call("setns", [PASSING, flag], { about });
  closePassing(program);
}

/** In a new network namespace the loopback is down (netdevice(7), SIOCSIFFLAGS; struct ifreq {char[16], short flags}). */
function addLoopback(program: ProgramBuilder): void {
  const ifreq = Buffer.alloc(40);
  ifreq.write("lo");
  ifreq.writeUInt16LE(IFF_UP, 16);
  program.call("socket", [AF_INET, SOCK_DGRAM_CLOEXEC, 0]);
  program.call("ioctl", [PASSING, SIOCSIFFLAGS, ifreq], { about: "bring up the loopback interface" });
  closePassing(program);
}
