/** An exec in a running container as a program: it joins the namespaces of the first process (setns(2)). */
import * as abi from "../abi.ts";
import { type Program, ProgramBuilder } from "../program.ts";
import { addExec, addIdentity, addPlainStdio, addSession, addTty } from "./identity.ts";
import { type ExecRequest, FD } from "./request.ts";
import { addSupervisor, writeFile } from "./supervise.ts";

const PR_SET_DUMPABLE = 4;
const CLOSE_RANGE_CLOEXEC = 4;

/** The whole program of an exec; the pidfd of the container is the shim's descriptor FD.pidfd. */
export function execProgram(request: ExecRequest): Program {
  const program = new ProgramBuilder();
  const joinsPid = (request.namespaces & abi.CLONE_NEWPID) !== 0;
  addSupervisor(program, {
    joinFiles: request.shimJoinFiles,
    endedFifo: request.endedFifo,
    token: request.token,
    stdio: request.stdio,
    cloneFlags: 0,
    beforeClone: () => {
      if (joinsPid) program.call("setns", [FD.pidfd, abi.CLONE_NEWPID], { about: "join the container" });
    },
  });
  program.call("prctl", [PR_SET_DUMPABLE, 0, 0, 0, 0], { label: "child" });
  program.call("close_range", [3, 0xffffffff, CLOSE_RANGE_CLOEXEC]);
  writeFile(program, "/proc/self/oom_score_adj", String(request.process.oomScoreAdj ?? 0));
  for (const file of request.cgroupJoinFiles) writeFile(program, file, "0");
  addPlainStdio(program, request.stdio);
  program.call("setns", [FD.pidfd, request.namespaces & ~abi.CLONE_NEWPID], { about: "join the container" });
  const tty = request.stdio.kind === "tty";
  if (tty) addTty(program, request.process.consoleSize);
  addSession(program, tty);
  program.call("chdir", [request.process.cwd], {
    about: `change to the working directory ${request.process.cwd}`,
  });
  addIdentity(program, request.process, request.seccomp);
  addExec(program, request.process);
  return program.build();
}
