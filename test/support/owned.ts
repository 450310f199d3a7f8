/**
 * What test runs make outside of their processes: folders of bays, and network namespaces. Each process of a run notes its own in
 * a file with its PID and start time, so that a later run can remove what a killed one left, and nothing of one that goes on.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveRoots } from "../../src/core/roots.ts";
import { mountsOf, processesOf } from "./host-use.ts";

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

const PREFIX = "bay-owner-";
/** PIDs have a meaning only in their namespace; a reboot makes the file one of an ended process. */
const pidNamespace = () => /\d+/.exec(readlinkSync("/proc/self/ns/pid"))![0];
const fileOf = ({ pid, start }: Owner) => join(tmpdir(), `${PREFIX}${pidNamespace()}-${pid}-${start}`);
const self = (): Owner => ({ pid: process.pid, start: startOf(process.pid)! });

/** Notes that a process of a test run, by default this one, has made something. */
export function own(kind: Kind, name: string, owner = self()): void {
  appendFileSync(fileOf(owner), `${kind} ${name}\n`);
}

/** Removes what the processes of test runs left that were killed. Two runs may do so at the same time. */
export function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const [namespace, pid, start] = name.startsWith(PREFIX) ? name.slice(PREFIX.length).split("-") : [];
    if (start === undefined || namespace !== pidNamespace() || startOf(Number(pid)) === start) continue;
    const taken = join(tmpdir(), `bay-swept-${name}-${process.pid}`);
    try {
      renameSync(join(tmpdir(), name), taken);
    } catch {
      continue; // another run was faster
    }
    const lines = [...new Set(readFileSync(taken, "utf8").split("\n").filter(Boolean))];
    // processes in a namespace keep the folders of their bays in use
    for (const line of lines.sort((a, b) => b.localeCompare(a, "en"))) {
      const [kind, what = ""] = line.split(/ (.*)/s);
      if (kind === "netns") removeNamespace(what);
      else if (kind === "folder" && existsSync(what)) removeFolder(what);
    }
    rmSync(taken, { force: true });
  }
}

function removeNamespace(name: string): void {
  if (!existsSync(join("/run/netns", name))) return;
  const { stdout } = spawnSync("ip", ["netns", "pids", name], { encoding: "utf8" });
  for (const pid of stdout.split("\n").filter(Boolean)) kill(Number(pid));
  spawnSync("ip", ["netns", "del", name]);
}

/** A bay's folder with its processes, mounts, links, tables and groups, whose names have its tag. */
function removeFolder(folder: string): void {
  const { tag } = resolveRoots({ root: join(folder, "root"), run: join(folder, "run") });
  const bay = { folder, tag };
  // a keeper starts bayd again, and bayd its containers
  for (const word of [/^bay-keeper/, /^bayd$/, /./])
    for (const { pid } of processesOf(bay).filter(({ words }) => word.test(words))) kill(pid);
  for (let round = 0; processesOf(bay).length > 0 && round < 1000; round++)
    for (const { pid } of processesOf(bay)) kill(pid);
  for (const mount of mountsOf(bay).reverse()) spawnSync("umount", ["-l", join(folder, mount)]);
  sweepTag(tag);
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
