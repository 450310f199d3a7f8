/** Copies a tree with everything that a volume keeps: modes, owners, times, links, xattrs. Inside a confined thread. */
import {
  chmodSync,
  copyFileSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { getXattrs, makeNode, setXattr } from "../../linux/index.ts";

/**
 * Copies the contents of `from` into the directory `to`, and `from`'s own mode and owner onto `to`. Replaces the remains of
 * an interrupted copy.
 */
export function copyTree(from: string, to: string): void {
  for (const name of readdirSync(from)) copyOne(join(from, name), join(to, name));
  copyAttributes(from, to);
}

function copyOne(from: string, to: string): void {
  const stat = lstatSync(from);
  if (stat.isDirectory()) {
    if (!lstatSync(to, { throwIfNoEntry: false })?.isDirectory()) mkdirSync(to);
    copyTree(from, to);
    return;
  }
  rmSync(to, { force: true });
  if (stat.isSymbolicLink()) symlinkSync(readlinkSync(from), to);
  else if (stat.isFile()) copyFileSync(from, to);
  else if (stat.isFIFO()) makeNode(to, "fifo", stat.mode & 0o7777, 0);
  else return; // volumes do not contain sockets and devices
  copyAttributes(from, to);
}

function copyAttributes(from: string, to: string): void {
  const stat = lstatSync(from);
  lchownSync(to, stat.uid, stat.gid);
  if (!stat.isSymbolicLink()) chmodSync(to, stat.mode & 0o7777);
  for (const [name, value] of getXattrs(from))
    if (!name.startsWith("trusted.overlay.")) setXattr(to, name, value);
  lutimesSync(to, stat.atimeMs / 1000, stat.mtimeMs / 1000);
}
