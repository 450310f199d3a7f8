/** Processes identified by PID and start time (proc(5)), which is safe against reuse of the PID. */
import { readKernelFile } from "./kernel-file.ts";
import { close, syscall, trySyscall } from "./libc.ts";

/** The start time in clock ticks since boot, or undefined if the process has ended or is a zombie. */
export function startTime(pid: number): number | undefined {
  let stat: string;
  try {
    stat = readKernelFile(`/proc/${pid}/stat`);
  } catch {
    return undefined;
  }
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : Number(fields[19]);
}

/**
 * True if exactly this process runs. A process without a known start time (0) is not alive: another process may have its PID
 * by now.
 */
export function isAlive(pid: number, start: number): boolean {
  return pid > 0 && start > 0 && startTime(pid) === start;
}

const hardLimits = new Map<string, number>();

/** This process's hard limit of a resource; its children cannot exceed it without CAP_SYS_RESOURCE. */
export function hardLimit(resource: "nofile"): number {
  let limit = hardLimits.get(resource);
  if (limit === undefined) {
    const text = /^Max open files\s+\S+\s+(\S+)/m.exec(readKernelFile("/proc/self/limits"))?.[1];
    limit = text === "unlimited" || text === undefined ? 1048576 : Number(text);
    hardLimits.set(resource, limit);
  }
  return limit;
}

/** Opens a pidfd (pidfd_open(2)) of exactly this process, or returns undefined if it has ended. */
export function openProcess(pid: number, start: number): number | undefined {
  const fd = trySyscall("pidfd_open", pid, 0);
  if (fd < 0) return undefined;
  if (isAlive(pid, start)) return fd;
  close(fd);
  return undefined;
}

/** Sends a signal to exactly this process. Returns false if it has ended. Throws `SyscallError`. */
export function signalProcess(pid: number, start: number, signal: number): boolean {
  const fd = openProcess(pid, start);
  if (fd === undefined) return false;
  try {
    const result = trySyscall("pidfd_send_signal", fd, signal, null, 0);
    if (result === -3) return false; // ESRCH: it ended in between
    if (result < 0) syscall("pidfd_send_signal", [fd, signal, null, 0], `to ${pid}`);
    return true;
  } finally {
    close(fd);
  }
}

/** Decodes a wait status of wait(2): an exit code, or a signal (and 128 + signal as the code). */
export function decodeStatus(status: number): { exitCode: number; signal: number | undefined } {
  const signal = status & 0x7f;
  return signal === 0
    ? { exitCode: (status >> 8) & 0xff, signal: undefined }
    : { exitCode: 128 + signal, signal };
}

/** The PIDs of a process's children, in the reader's PID namespace. */
export function childrenOf(pid: number): number[] {
  try {
    return readKernelFile(`/proc/${pid}/task/${pid}/children`).trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
