/**
 * The last steps before the command runs, common to a container's start and an exec in it: limits, capabilities, seccomp,
 * user and working directory, and execve(2).
 */

import { BayError } from "../../core/errors.ts";
import { O_CLOEXEC, O_DIRECTORY, O_PATH, O_WRONLY, RLIMITS } from "../abi.ts";
import { capabilityMask, lastCapability } from "../capabilities.ts";
import type { ProgramBuilder } from "../program.ts";
import { IN_ONE_MOUNT } from "../safe-path.ts";
import { seccompFilter } from "../seccomp.ts";
import type { Spec, SpecProcess } from "../spec.ts";
import { openInContainer, requireFileSystem } from "./container-paths.ts";
import { closePassing, FD, moveTo, PASSING, PROGRAM_OPEN_FILES } from "./descriptors.ts";

const PR_SET_KEEPCAPS = 8;
const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_RAISE = 2;
const KEYCTL_JOIN_SESSION_KEYRING = 1;
const SECCOMP_SET_MODE_FILTER = 1;
const SIG_SETMASK = 2;
const OPEN_FILES = "RLIMIT_NOFILE";

/** Limits, capabilities, seccomp, user: after these the process has only the container's privileges. */
export function addIdentity(
  program: ProgramBuilder,
  process: SpecProcess,
  seccomp: Spec["linux"]["seccomp"],
  withOpenFiles = true,
): void {
  for (const limit of process.rlimits ?? [])
    if (withOpenFiles || limit.type !== OPEN_FILES) addLimit(program, limit);
  program.call("keyctl", [KEYCTL_JOIN_SESSION_KEYRING, 0], { ignore: true });
  program.call("umask", [process.user.umask ?? 0o022]);
  const filter = seccomp ? seccompFilter(seccomp) : undefined;
  const addFilter = () => {
    if (!filter) return;
    // struct sock_fprog: u16 length, then the pointer
    const fprog = program.struct([filter.length / 8, program.data(filter)]);
    program.call("seccomp", [SECCOMP_SET_MODE_FILTER, 0, fprog], { about: "apply the seccomp filter" });
  };
  const { capabilities } = process;
  const bounding = capabilities ? capabilityMask(capabilities.bounding) : ~0n;
  for (let capability = 0; capability <= lastCapability(); capability++) {
    if ((bounding >> BigInt(capability)) & 1n) continue;
    program.call("prctl", [PR_CAPBSET_DROP, capability, 0, 0, 0], { about: "drop a bounding capability" });
  }
  // Without no_new_privs the kernel requires CAP_SYS_ADMIN for a filter, so it is installed before the capability is dropped.
  if (!process.noNewPrivileges) addFilter();
  const { uid, gid, additionalGids = [] } = process.user;
  if (uid !== 0) program.call("prctl", [PR_SET_KEEPCAPS, 1, 0, 0, 0]);
  const groups = Buffer.alloc(Math.max(8, additionalGids.length * 4));
  additionalGids.forEach((group, index) => {
    groups.writeUInt32LE(group, index * 4);
  });
  program.call("setgroups", [additionalGids.length, groups]);
  program.call("setresgid", [gid, gid, gid]);
  program.call("setresuid", [uid, uid, uid]);
  if (capabilities) addCapabilitySets(program, capabilities);
  if (process.noNewPrivileges) {
    program.call("prctl", [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
    addFilter();
  }
}

/**
 * The limit of open files only: an init needs more descriptors than its main process may have. It is raised while the process
 * has bay's privileges (`early`), and set to its final value at the end.
 */
export function addOpenFiles(program: ProgramBuilder, process: SpecProcess, early: boolean): void {
  for (const limit of process.rlimits ?? []) {
    if (limit.type !== OPEN_FILES) continue;
    if (!early) addLimit(program, limit);
    else if (limit.hard > PROGRAM_OPEN_FILES) addLimit(program, { ...limit, soft: PROGRAM_OPEN_FILES });
  }
}

function addLimit(program: ProgramBuilder, limit: { type: string; soft: number; hard: number }): void {
  const resource = RLIMITS[limit.type.replace(/^RLIMIT_/, "").toLowerCase()];
  if (resource === undefined) throw new BayError("UNKNOWN_LIMIT", `unknown resource limit ${limit.type}`);
  const value = (number: number) => (number < 0 ? -1n : BigInt(number));
  program.call("prlimit64", [0, resource, program.struct([value(limit.soft), value(limit.hard)]), 0], {
    about: `set limit ${limit.type}`,
  });
}

/** capset(2), version 3: {effective, permitted, inheritable} for the low and the high 32 bits. */
function addCapabilitySets(
  program: ProgramBuilder,
  capabilities: NonNullable<SpecProcess["capabilities"]>,
): void {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x20080522);
  const data = Buffer.alloc(24);
  [capabilities.effective, capabilities.permitted, capabilities.inheritable].forEach((names, index) => {
    const mask = capabilityMask(names);
    data.writeUInt32LE(Number(mask & 0xffffffffn), index * 4);
    data.writeUInt32LE(Number(mask >> 32n), 12 + index * 4);
  });
  program.call("capset", [header, data]);
  const ambient = capabilityMask(capabilities.ambient);
  for (let capability = 0; ambient >> BigInt(capability) > 0n; capability++) {
    if (((ambient >> BigInt(capability)) & 1n) === 0n) continue;
    program.call("prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0], { ignore: true });
  }
}

/**
 * execve(2), with the search in PATH of execvp(3): one record per directory; the error of the last one counts.
 */
export function addExec(program: ProgramBuilder, process: SpecProcess, signalsBlocked = true): void {
  if (signalsBlocked) program.call("rt_sigprocmask", [SIG_SETMASK, Buffer.alloc(8), 0, 8]);
  if (process.apparmorProfile !== undefined) addApparmor(program, process.apparmorProfile);
  const command = process.args[0] ?? "";
  const argv = program.texts(process.args);
  const env = program.texts(process.env);
  const path = process.env.find((entry) => entry.startsWith("PATH="))?.slice(5);
  const directories = (path ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").split(":");
  const candidates =
    command === "" || command.includes("/")
      ? [command]
      : directories.map((directory) => `${directory || "."}/${command}`);
  candidates.forEach((file, index) => {
    const last = index === candidates.length - 1;
    program.call("execve", [file, argv, env], { ignore: !last, about: `exec ${command}` });
  });
  program.call("exit_group", [255]);
}

/** AppArmor applies the profile at the next execve(2). It is written through the real /proc, not through a mount over it. */
function addApparmor(program: ProgramBuilder, profile: string): void {
  const about = `apply the AppArmor profile ${profile}`;
  const text = `exec ${profile}`;
  openInContainer(program, "/proc", O_PATH | O_DIRECTORY, { noSymlinks: true, about });
  requireFileSystem(program, "proc", about);
  moveTo(program, FD.scratch, O_CLOEXEC, { about });
  const how = program.struct([O_WRONLY | O_CLOEXEC, 0, IN_ONE_MOUNT]);
  program.call("openat2", [FD.scratch, "self/attr/apparmor/exec", how, 24], { about });
  program.call("write", [PASSING, program.text(text), Buffer.byteLength(text)], { about });
  closePassing(program);
  program.call("close", [FD.scratch]);
}
