/**
 * `init: true`: PID 1 of the container is bay's own program, not an extra binary. It forwards every signal to the main
 * process, reaps orphaned processes, and ends with the main process, whose status it sends to the shim.
 *
 *     clone            the child continues as the main process, which is pid 2 of a new pid namespace
 *     mremap           the program becomes pid 1's own, a copy in memory: the shim outside runs from the shared page,
 *                      and a container that may trace (CAP_SYS_PTRACE) can write to pid 1's memory. No mapping of the
 *                      host's file remains (proc(5), map_files)
 *     write(mainGo)    now the main process executes its command
 *     wait-for  readv(signalfd), scattered so that the signal's number becomes kill's argument
 *               kill(2, number)
 *     reap      wait4(-1, &status, WNOHANG)   0: back to wait-for
 *               kill(2, 0)                    ESRCH: that was the main process, so send the status and end
 *               back to reap
 */
import { SIGNALS } from "../../core/signals.ts";
import { MAP_ANONYMOUS_HERE, O_CLOEXEC, PROT_READ, PROT_WRITE } from "../abi.ts";
import type { ProgramBuilder } from "../program.ts";
import { SHIM_BASE, SHIM_MAPPING_SIZE, SPARE_PAGE } from "../shim-code.ts";
import { FD, resultAs } from "./descriptors.ts";

const MAIN_PID = 2;
const WNOHANG = 1;
const PR_SET_NAME = 15;
const SIGINFO_SIZE = 128;
const MREMAP_MAYMOVE = 1;
const MREMAP_FIXED = 2;
/** The resident part of the program. */
const PAGE = 4096;

/** Adds the loop as resident records; the main process continues with the records after this call. */
export function addInit(program: ProgramBuilder): void {
  program.mainPid(MAIN_PID);
  resultAs(program, FD.signals, () => {
    program.call("signalfd4", [-1, Buffer.alloc(8, 0xff), 8, O_CLOEXEC]);
  });
  // clone, not clone3: the default seccomp filter is active here and answers clone3 with ENOSYS
  program.call("clone", [SIGNALS.SIGCHLD, 0, 0, 0, 0], { clone: "main", about: "clone the main process" });
  program.goto("init");

  program.section("resident");
  program.call("prctl", [PR_SET_NAME, program.text("bay-init"), 0, 0, 0], { label: "init", ignore: true });
  const about = "make the init's program its own";
  program.call("mmap", [SPARE_PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS_HERE, -1, 0], { about });
  program.call("pread64", [FD.program, SPARE_PAGE, PAGE, 0], { about });
  program.call("mremap", [SPARE_PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, SHIM_BASE], { about });
  program.call("munmap", [SHIM_BASE + PAGE, SHIM_MAPPING_SIZE - PAGE], { about });
  program.call("close_range", [3, FD.signals - 1, 0], { ignore: true });
  program.call("close_range", [FD.mainGo + 1, 0xffffffff, 0], { ignore: true });
  const one = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
  program.call("write", [FD.mainGo, one, one.length]);
  const rest = program.data(Buffer.alloc(SIGINFO_SIZE));
  const vector = program.struct([program.argument("forward", 1), 4, rest, SIGINFO_SIZE - 4]);
  program.call("readv", [FD.signals, vector, 2], { label: "wait-for", ignore: true });
  program.call("kill", [MAIN_PID, 0], { label: "forward", ignore: true });
  const status = program.struct([1n << 32n]); // wait4 writes the lower half; never zero, because an eventfd cannot hold that
  program.call("wait4", [-1, status, WNOHANG, 0], {
    label: "reap",
    jumpIfZero: "wait-for",
    ignore: true,
  });
  program.call("kill", [MAIN_PID, 0], { jumpIfError: "done" });
  program.goto("reap");
  program.call("write", [FD.mainStatus, status, 8], { label: "done", ignore: true });
  program.call("exit_group", [0]);
  program.section("transient");
  program.call("read", [FD.mainGo, Buffer.alloc(8), 8], { label: "main", about: "wait for the init" });
}
