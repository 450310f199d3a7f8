/** Small reads and writes of cgroup files. */
import { closeSync, openSync, readdirSync, rmdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { BayError, hasCode } from "../../core/errors.ts";
import { readKernelFile } from "../kernel-file.ts";

const MOST_ROUNDS = 20;

/** A file's text, trimmed; undefined if it does not exist. */
export function readText(path: string): string | undefined {
  try {
    return readKernelFile(path).trim();
  } catch {
    return undefined;
  }
}

/** A file's number; undefined if it is absent, `max`, negative or not a safe integer. */
export function readNumber(path: string): number | undefined {
  const number = Number(readText(path) ?? Number.NaN);
  return number >= 0 && number < 2 ** 53 ? number : undefined;
}

/** A value of a `key value` file such as memory.stat. */
export function readKey(path: string, key: string): number {
  const line = readText(path)
    ?.split("\n")
    .find((row) => row.startsWith(`${key} `));
  return line ? Number(line.slice(key.length + 1)) : 0;
}

/** Sets a limit. Throws CGROUP_LIMIT. */
export function setLimit(path: string, value: string | number, name: string): void {
  setLimits(path, [String(value)], name);
}

/** Writes several values to one file, each with its own write(2), as device rules require. Throws CGROUP_LIMIT. */
export function setLimits(path: string, values: readonly string[], name: string): void {
  let fd = -1;
  let value = values[0];
  try {
    fd = openSync(path, "w");
    for (value of values) writeSync(fd, value);
  } catch (cause) {
    throw new BayError("CGROUP_LIMIT", `the kernel refused ${name} = ${value}`, {
      cause,
      hint: hasCode(cause, "ENOENT")
        ? "this kernel or its cgroup configuration lacks the controller; bay doctor lists the available ones"
        : hasCode(cause, "EBUSY")
          ? "the container uses more than that at the moment"
          : undefined,
    });
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

function readPids(path: string): number[] {
  const pids = (readText(path) ?? "").split("\n").map(Number);
  // a process outside the reader's PID namespace appears as 0, which means the caller's process group for kill(2)
  return pids.filter((pid) => pid > 0);
}

/** Removes a directory; true if it does not exist any more. */
export function removeGroup(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    return hasCode(error, "ENOENT", "ENODEV");
  }
}

/** Names of the cgroups directly below a directory; none if it does not exist. */
export function groupNames(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

/** The processes of a cgroup and of all cgroups below it. */
export function readPidsBelow(directory: string): number[] {
  const below = groupNames(directory).flatMap((name) => readPidsBelow(join(directory, name)));
  return [...readPids(join(directory, "cgroup.procs")), ...below];
}

/** Removes a cgroup and those below it; true if the directory does not exist any more. */
export function removeGroups(directory: string): boolean {
  if (removeGroup(directory)) return true;
  for (const name of groupNames(directory)) removeGroups(join(directory, name));
  return removeGroup(directory);
}

/** Sends SIGKILL until every process found has received it: a process may have started another meanwhile. */
export function killUntilNoneIsNew(directory: string): void {
  const killed = new Set<number>();
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const fresh = readPids(join(directory, "cgroup.procs")).filter((pid) => !killed.has(pid));
    if (fresh.length === 0) return;
    killAll(fresh);
    for (const pid of fresh) killed.add(pid);
  }
}

export function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // it ended by itself
    }
  }
}
