/** SELinux labels of files (selinux(8), xattr(7)), so that confined containers may use mounted files. */
import { createHash } from "node:crypto";
import { closeSync, constants, existsSync, lstatSync, openSync, readdirSync } from "node:fs";
import { setImmediate as breathe } from "node:timers/promises";
import { BayError } from "../core/errors.ts";
import { setXattr } from "./confine.ts";

const ATTRIBUTE = "security.selinux";
/** Entries between two pauses for other work. */
const BATCH = 500;
/** The policy's categories: each container has its own pair. */
const CATEGORIES = 1024;
const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

export const isSelinuxOn = (): boolean => existsSync("/sys/fs/selinux/enforce");

/** The label of files that every container may use. */
export const SHARED_LABEL = "system_u:object_r:container_file_t:s0";

/** The label of files for one container: the same name has the same two categories. */
export function privateLabel(name: string): string {
  const digest = createHash("sha256").update(name).digest();
  const first = digest.readUInt16LE(0) % (CATEGORIES - 1);
  const second = first + 1 + (digest.readUInt16LE(2) % (CATEGORIES - 1 - first));
  return `${SHARED_LABEL}:c${first},c${second}`;
}

/**
 * Labels a file, or a directory and all its entries. Directories are held open, and symlinks are not followed, because a
 * container may change the entries meanwhile. Throws NO_LABEL if the file system has no labels.
 */
export async function labelTree(root: string, label: string): Promise<void> {
  const value = Buffer.from(`${label}\0`);
  let count = 0;
  const put = (path: string) => {
    if (!setXattr(path, ATTRIBUTE, value))
      throw new BayError("NO_LABEL", `${root} cannot be labelled for SELinux: its file system has no labels`);
  };
  const visit = async (folder: string): Promise<void> => {
    let fd: number;
    try {
      fd = openSync(folder, DIRECTORY);
    } catch {
      return; // it is not a directory, or does not exist
    }
    try {
      for (const { name } of readdirSync(`/proc/self/fd/${fd}`, { withFileTypes: true })) {
        const path = `/proc/self/fd/${fd}/${name}`;
        if (++count % BATCH === 0) await breathe();
        const stat = lstatSync(path, { throwIfNoEntry: false });
        if (!stat) continue;
        put(path);
        if (stat.isDirectory()) await visit(path);
      }
    } finally {
      closeSync(fd);
    }
  };
  put(root);
  await visit(root);
}
