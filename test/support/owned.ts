/**
 * What test runs make outside of their processes: folders of bays, and network namespaces. Each process of a run notes its own in
 * a file with its PID and start time, so that a later run can remove what a killed one left, and nothing of one that still runs.
 *
 * A sweep deletes and kills as root, so it trusts only notes that no other user can have written, and in these only names
 * that tests give.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  type Stats,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { hasCode, messageOf } from "../../src/core/errors.ts";
import { resolveRoots } from "../../src/core/roots.ts";
import { mountPoints, processesOf } from "./host-use.ts";

export interface Owner {
  pid: number;
  /** In clock ticks since the boot (proc_pid_stat(5), starttime). */
  start: string;
}

type Kind = "folder" | "netns";

/** The start time of a process; undefined if it has ended. */
export function startOf(pid: number): string | undefined {
  try {
    const [state, ...fields] = readFileSync(`/proc/${pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ");
    return state === "Z" || state === "X" ? undefined : fields[18];
  } catch {
    return undefined;
  }
}

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
const uid = () => process.getuid!();
const notesDirectory = () => join(tmpdir(), `bay-test-owners-${uid()}`);

/** PIDs have a meaning only in their namespace; a reboot makes the file one of an ended process. */
const pidNamespace = () => /\d+/.exec(readlinkSync("/proc/self/ns/pid"))![0];
const self = (): Owner => ({ pid: process.pid, start: startOf(process.pid)! });
/** The namespace, PID and start time of the owner, and of the process that sweeps the file, if one does. */
const NOTES = /^(owner-(\d+)-(\d+)-(\d+))(?:\.swept-(\d+)-(\d+))?$/;

const NAMES: Record<Kind, (name: string) => boolean> = {
  /** Of a Bay. */
  folder: (name) => dirname(name) === tmpdir() && /^bay-test-[A-Za-z0-9]{6}$/.test(basename(name)),
  /** Of TestHosts, and of the Machines of tests. */
  netns: (name) => /^bayt[0-9a-f]{6}-[a-z0-9]{1,16}$|^t[0-9a-z]{1,8}(h|n|left|[a-z]\d{1,4})$/.test(name),
};

/** Notes that a process of a test run, by default this one, makes something. Call it before the thing is made. */
export function own(kind: Kind, name: string, owner = self(), directory = notesDirectory()): void {
  if (!NAMES[kind](name)) throw new Error(`${kind} ${name}: the sweep does not know names like this`);
  makePrivate(directory);
  const fd = openNotes(join(directory, `owner-${pidNamespace()}-${owner.pid}-${owner.start}`));
  try {
    const { size } = requireOwn(fstatSync(fd), "file");
    const line = Buffer.from(`${kind} ${name}\n`);
    if (writeSync(fd, line) === line.length) return;
    ftruncateSync(fd, size);
    throw new Error(`the disk of ${directory} is full`);
  } finally {
    closeSync(fd);
  }
}

/** Creates the directory of the notes. Throws if another user may have made it, or can write to it. */
function makePrivate(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
  if (!isPrivate(directory))
    throw new Error(`${directory} is not a directory that only its owner, this user, can use: remove it`);
}

function isPrivate(directory: string): boolean {
  const stat = lstatSync(directory, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === uid() && (stat.mode & 0o077) === 0;
}

function openNotes(path: string): number {
  const flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK;
  try {
    return openSync(path, flags);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
    return openSync(path, flags | O_CREAT | O_EXCL, 0o600);
  }
}

function requireOwn(stat: Stats, kind: "file" | "directory"): Stats {
  const isKind = kind === "file" ? stat.isFile() : stat.isDirectory();
  if (!isKind || stat.uid !== uid()) throw new Error(`it is not a ${kind} of this user`);
  return stat;
}

/**
 * Removes what the processes of test runs left that were killed, also by sweeps that were killed. Two runs may do so at the
 * same time. What cannot be removed is reported and kept for the next sweep.
 */
export function sweep(directory = notesDirectory()): void {
  if (!isPrivate(directory)) {
    if (lstatSync(directory, { throwIfNoEntry: false }))
      console.warn(`${directory} may have been written by another user: nothing is swept`);
    return;
  }
  const { pid, start } = self();
  for (const name of readdirSync(directory)) {
    const [, notes = "", namespace, ownerPid, ownerStart, sweeperPid, sweeperStart] = NOTES.exec(name) ?? [];
    if (namespace !== pidNamespace() || startOf(Number(ownerPid)) === ownerStart) continue;
    const isOurs = sweeperPid === String(pid) && sweeperStart === start;
    if (sweeperPid && !isOurs && startOf(Number(sweeperPid)) === sweeperStart) continue;
    const taken = join(directory, `${notes}.swept-${pid}-${start}`);
    try {
      renameSync(join(directory, name), taken);
    } catch {
      continue; // another run was faster
    }
    if (sweepNotes(taken)) rmSync(taken, { force: true });
  }
}

/** Returns whether everything of a file could be removed. */
function sweepNotes(path: string): boolean {
  let isDone = true;
  const attempt = (what: string, action: () => void) => {
    try {
      action();
    } catch (error) {
      isDone = false;
      console.warn(`${what}, which a killed test run left, could not be removed: ${messageOf(error)}`);
    }
  };
  attempt(path, () => {
    for (const [kind, name] of notesIn(path))
      attempt(`${kind} ${name}`, () => (kind === "netns" ? removeNamespace(name) : removeFolder(name)));
  });
  return isDone;
}

/** The whole lines of a file with names that tests give; namespaces first: processes in them use the folders of their bays. */
function notesIn(path: string): [Kind, string][] {
  const fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    requireOwn(fstatSync(fd), "file");
    const lines = readFileSync(fd, "utf8").split("\n").slice(0, -1);
    const notes = [...new Set(lines)].flatMap((line): [Kind, string][] => {
      const [, kind, name = ""] = /^(folder|netns) (.+)$/.exec(line) ?? [];
      return kind && NAMES[kind as Kind](name) ? [[kind as Kind, name]] : [];
    });
    return notes.sort(([a], [b]) => b.localeCompare(a, "en"));
  } finally {
    closeSync(fd);
  }
}

function removeNamespace(name: string): void {
  if (!existsSync(join("/run/netns", name))) return;
  const { stdout } = spawnSync("ip", ["netns", "pids", name], { encoding: "utf8" });
  for (const pid of stdout.split("\n").filter(Boolean)) kill(Number(pid));
  execFileSync("ip", ["netns", "del", name], { stdio: "pipe" });
}

/** A bay's folder with its processes, mounts, links, tables and groups, whose names have its tag. */
function removeFolder(folder: string): void {
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  if (!stat) return;
  requireOwn(stat, "directory");
  const { tag } = resolveRoots({ root: join(folder, "root"), run: join(folder, "run") });
  const bay = { folder, tag };
  // a keeper starts bayd again, and bayd its containers
  for (const word of [/^bay-keeper/, /^bayd$/, /./])
    for (const { pid } of processesOf(bay).filter(({ words }) => word.test(words))) kill(pid);
  for (let round = 0; processesOf(bay).length > 0 && round < 1000; round++)
    for (const { pid } of processesOf(bay)) kill(pid);
  const mounts = () => mountPoints().filter((point) => point === folder || point.startsWith(`${folder}/`));
  for (const point of mounts().sort().reverse()) spawnSync("umount", ["-l", point]);
  sweepTag(tag);
  // the files of a mount are not the test's own
  const [left] = mounts();
  if (left !== undefined) throw new Error(`${left} is still mounted`);
  rmSync(folder, { recursive: true, force: true });
}

/** Removes the tables, links and groups of a bay that has no process any more. */
export function sweepTag(tag: string): void {
  execFileSync("sh", [
    "-c",
    `for family in ip ip6 bridge inet; do nft delete table $family bay_${tag} 2>/dev/null; done
    ls /sys/class/net | grep -E '^(bay${tag}-|ve${tag})' | xargs -r -n1 ip link del 2>/dev/null
    find /sys/fs/cgroup -depth -path '*/bay-${tag}*' -type d -exec rmdir {} + 2>/dev/null; true`,
  ]);
}

function kill(pid: number): void {
  try {
    if (pid > 1) process.kill(pid, "SIGKILL");
  } catch {
    // it has ended
  }
}

/** vitest's global setup, and its end: the workers of this run have ended then. */
export default function setup(): () => void {
  const clean = () => {
    if (process.getuid?.() === 0) sweep();
  };
  clean();
  return clean;
}
