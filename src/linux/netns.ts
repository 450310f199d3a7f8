/**
 * Network namespaces that outlive their processes (network_namespaces(7)): the main thread enters the new namespace
 * synchronously, binds it to a file, and returns to its own.
 */
import { closeSync, openSync, unlinkSync, writeFileSync } from "node:fs";
import { CLONE_NEWNET, MNT_DETACH, MS_BIND } from "./abi.ts";
import { syscall, trySyscall } from "./libc.ts";

const CURRENT = "/proc/thread-self/ns/net";

/** Runs a synchronous function in another network namespace, and always restores the old one. */
export function inNamespace<T>(file: string, action: () => T): T {
  const home = openSync(CURRENT, "r");
  try {
    const there = openSync(file, "r");
    try {
      syscall("setns", [there, CLONE_NEWNET], file);
    } finally {
      closeSync(there);
    }
    try {
      return action();
    } finally {
      syscall("setns", [home, CLONE_NEWNET], "return to the host's network");
    }
  } finally {
    closeSync(home);
  }
}

/** Creates a namespace and binds it to a file. Leaves nothing behind on failure. */
export function createNamespace(file: string): void {
  const home = openSync(CURRENT, "r");
  writeFileSync(file, "", { mode: 0o600 });
  try {
    syscall("unshare", [CLONE_NEWNET], "a network namespace");
    try {
      syscall("mount", [CURRENT, file, null, MS_BIND, null], file);
    } finally {
      syscall("setns", [home, CLONE_NEWNET], "return to the host's network");
    }
  } catch (error) {
    unlinkSync(file);
    throw error;
  } finally {
    closeSync(home);
  }
}

/** Releases the file; the namespace ends with its last process. Ignores a file that does not exist. */
export function removeNamespace(file: string): void {
  trySyscall("umount2", file, MNT_DETACH);
  try {
    unlinkSync(file);
  } catch {
    // it was never created
  }
}

/** True if a namespace is bound to the file (NSFS_MAGIC by fstatfs(2)). */
export function isNamespace(file: string): boolean {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch {
    return false;
  }
  try {
    const stat = Buffer.alloc(120);
    return trySyscall("fstatfs", fd, stat) === 0 && stat.readUInt32LE(0) === 0x6e736673;
  } finally {
    closeSync(fd);
  }
}
