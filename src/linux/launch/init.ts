/**
 * `init: true`: pid 1 of the container is bay's own program, not an extra binary. It forwards every signal to
 * the main process, reaps what is orphaned, and ends with the main process, whose status it leaves in the
 * program's header.
 *
 *     clone            the child goes on as the main process, which is pid 2 of a new pid namespace
 *     wait-for  readv(signalfd), scattered so that the signal's number becomes kill's argument
 *               kill(2, number)
 *     reap      wait4(-1, &status, WNOHANG)   0: back to wait-for
 *               kill(2, 0)                    ESRCH: that was the main process, so end
 *               back to reap
 */
import { SIGNALS } from "../../signals.ts";
import { O_CLOEXEC } from "../abi.ts";
import type { ProgramBuilder } from "../program.ts";
import { FD } from "./request.ts";
import { resultAs } from "./supervise.ts";

const MAIN_PID = 2;
const WNOHANG = 1;
const SIGINFO_SIZE = 128;

/** Adds the loop as resident records; the main process goes on in the records that follow this call. */
export function addInit(program: ProgramBuilder): void {
  program.mainPid(MAIN_PID);
  resultAs(program, FD.signals, (store) => {
    program.call("signalfd4", [-1, Buffer.alloc(8, 0xff), 8, O_CLOEXEC], { store });
  });
  // clone, not clone3: the default seccomp filter is on by now and answers clone3 with ENOSYS
  program.call("clone", [SIGNALS.SIGCHLD, 0, 0, 0, 0], { clone: "main", about: "clone the main process" });
  program.goto("init");

  program.section("resident");
  program.call("close_range", [3, FD.signals - 1, 0], { label: "init", ignore: true });
  program.call("close_range", [FD.signals + 1, 0xffffffff, 0], { ignore: true });
  const rest = program.data(Buffer.alloc(SIGINFO_SIZE));
  const vector = program.struct([program.argument("forward", 1), 4, rest, SIGINFO_SIZE - 4]);
  program.call("readv", [FD.signals, vector, 2], { label: "wait-for", ignore: true });
  program.call("kill", [MAIN_PID, 0], { label: "forward", ignore: true });
  program.call("wait4", [-1, program.header("mainStatus"), WNOHANG, 0], {
    label: "reap",
    jumpIfZero: "wait-for",
    ignore: true,
  });
  program.call("kill", [MAIN_PID, 0], { jumpIfError: "done" });
  program.goto("reap");
  program.call("exit_group", [0], { label: "done" });
  program.section("transient");
  program.call("getpid", [], { label: "main" });
}
