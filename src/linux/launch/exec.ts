/** The program of an exec in a running container: it joins the namespaces of the first process (setns(2)). */
import * as abi from "../abi.ts";
import type { Program } from "../built-program.ts";
import { ProgramBuilder } from "../program.ts";
import { enterDirectory } from "./container-paths.ts";
import { dropHostDescriptors, dropShimDescriptors, FD, writeFile } from "./descriptors.ts";
import { addExec, addIdentity } from "./identity.ts";
import type { ExecRequest } from "./request.ts";
import { addEmptyStreams, addGivenStreams, addSession, addTty } from "./streams.ts";
import { addSupervisor } from "./supervise.ts";

const PR_SET_DUMPABLE = 4;

/** The whole program of an exec; the pidfd of the container is the shim's descriptor FD.pidfd. */
export function execProgram(request: ExecRequest): Program {
  const program = new ProgramBuilder();
  const joinsPid = (request.namespaces & abi.CLONE_NEWPID) !== 0;
  addSupervisor(program, {
    joinFiles: request.shimJoinFiles,
    exitFifo: request.exitFifo,
    token: request.token,
    stdio: request.stdio,
    cloneFlags: 0,
    beforeClone: () => {
      if (joinsPid) program.call("setns", [FD.pidfd, abi.CLONE_NEWPID], { about: "join the container" });
    },
  });
  program.call("prctl", [PR_SET_DUMPABLE, 0, 0, 0, 0], { label: "child" });
  dropShimDescriptors(program);
  writeFile(program, "/proc/self/oom_score_adj", String(request.process.oomScoreAdj ?? 0));
  for (const file of request.cgroupJoinFiles) writeFile(program, file, "0");
  addGivenStreams(program, request.stdio);
  addEmptyStreams(program, request.stdio, request.process.user);
  program.call("setns", [FD.pidfd, request.namespaces & ~abi.CLONE_NEWPID], { about: "join the container" });
  program.call("chdir", ["/"]);
  const tty = request.stdio.kind === "tty";
  if (tty) addTty(program, request.process.consoleSize);
  addSession(program, tty);
  dropHostDescriptors(program, false);
  enterDirectory(program, request.process.cwd);
  addIdentity(program, request.process, request.seccomp);
  addExec(program, request.process);
  return program.build();
}
