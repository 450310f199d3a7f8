/** What one bay has on the host: processes, descriptors, mounts, groups, links, tables and files with its tag or in its folders. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { Bay } from "./bay.ts";

export interface OwnProcess {
  pid: number;
  /** Its arguments; `bayd` for the daemon itself. */
  words: string;
  /** Of the container or build step that it is of; undefined for bay's own processes. */
  group: string | undefined;
  /** Its parent, the parent of that, and so on. */
  ancestors: number[];
}

export interface HostUse {
  processes: OwnProcess[];
  /** Mount points, from the bay's folder on. */
  mounts: string[];
  /** Below bay's own, of all hierarchies together. */
  groups: string[];
  links: string[];
  /** By family, then by the name of a set or map: its elements. A table that does not exist is left out. */
  tables: Partial<Record<Family, Record<string, string[]>>>;
  /** By directory: what is in it. */
  files: Record<string, string[]>;
}

/** A bay by its folder, and by the tag in the names of what it has on the host. */
type OwnPlace = Pick<Bay, "folder" | "tag">;

export type Family = "ip" | "ip6" | "bridge";

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it ended just now
  }
};

const list = (path: string): string[] => (existsSync(path) ? readdirSync(path).sort() : []);

/** Everything that has the bay's tag or folder, the test's own clients left out. */
export const useOf = (bay: OwnPlace): HostUse => ({ ...useWithoutFiles(bay), files: filesOf(bay) });

/** As `useOf`, also where the folder does not exist any more. */
export function useWithoutFiles(bay: OwnPlace): Omit<HostUse, "files"> {
  return {
    processes: processesOf(bay),
    mounts: mountsOf(bay),
    groups: groupsOf(bay),
    links: list("/sys/class/net").filter((name) => isLinkOf(bay, name)),
    tables: tablesOf(bay),
  };
}

const isLinkOf = ({ tag }: OwnPlace, name: string) =>
  name.startsWith(`bay${tag}-`) || name.startsWith(`ve${tag}`);

export function processesOf(bay: OwnPlace): OwnProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => ownProcess(bay, Number(pid)) ?? []);
}

/** By its group, by the program file that it runs from, or by its roots; undefined for a process of somebody else. */
function ownProcess(bay: OwnPlace, pid: number): OwnProcess | undefined {
  const line = read(`/proc/${pid}/cmdline`);
  if (line === "") return undefined; // of the kernel, or a zombie
  const words = line.replaceAll("\0", " ").trim();
  const group = new RegExp(`/bay-${bay.tag}/([^/\\n]+)`).exec(read(`/proc/${pid}/cgroup`))?.[1];
  // at once: a process that ends has no parent any more
  const ancestors = ancestorsOf(pid);
  if (ancestors.length === 0) return undefined;
  if (group !== undefined && group !== "shims") return { pid, words, group, ancestors };
  const isDaemon = line.includes("\0daemon\0run\0");
  const isOwn = isDaemon
    ? read(`/proc/${pid}/environ`).includes(`BAY_RUN=${bay.folder}/`)
    : group === "shims" ||
      (/^bay-[a-z]+/.test(words) && read(`/proc/${pid}/maps`).includes(`${bay.folder}/`));
  return isOwn ? { pid, words: isDaemon ? "bayd" : words, group: undefined, ancestors } : undefined;
}

/** From the parent on; empty if the process has ended. */
function ancestorsOf(pid: number): number[] {
  const found: number[] = [];
  for (let each = pid; each > 1; found.push(each))
    each = Number(/^PPid:\s+(\d+)/m.exec(read(`/proc/${each}/status`))?.[1] ?? 0);
  return found[0] === 0 ? [] : found;
}

export function mountsOf({ folder }: OwnPlace): string[] {
  return mountPoints()
    .filter((point) => point.startsWith(`${folder}/`))
    .map((point) => point.slice(folder.length + 1))
    .sort();
}

/** Of this mount namespace. Spaces and the like are escaped as octal numbers in the file (proc_pid_mountinfo(5)). */
export function mountPoints(): string[] {
  return read("/proc/self/mountinfo")
    .split("\n")
    .flatMap((line) => line.split(" ")[4] ?? [])
    .map((point) =>
      point.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8))),
    );
}

function groupsOf({ tag }: OwnPlace): string[] {
  const found = execFileSync(
    "sh",
    ["-c", `find /sys/fs/cgroup -type d -path '*/bay-${tag}*' 2>/dev/null || true`],
    { encoding: "utf8" },
  );
  const names = found.split("\n").flatMap((path) => path.split(`/bay-${tag}`)[1] ?? []);
  return [...new Set(names)].sort();
}

interface NftSet {
  name: string;
  elem?: unknown[];
}

function tablesOf({ tag }: OwnPlace): HostUse["tables"] {
  const families: Family[] = ["ip", "ip6", "bridge"];
  return Object.fromEntries(
    families.flatMap((family) => {
      const { status, stdout } = spawnSync("nft", ["-j", "list", "table", family, `bay_${tag}`], {
        encoding: "utf8",
      });
      if (status !== 0) return [];
      const { nftables } = JSON.parse(stdout) as { nftables: Record<"set" | "map", NftSet | undefined>[] };
      const sets = nftables.flatMap((entry) => entry.set ?? entry.map ?? []);
      return [
        [family, Object.fromEntries(sets.map(({ name, elem }) => [name, (elem ?? []).map(elementText)]))],
      ];
    }),
  );
}

/** An element of a set, or the key of a map's element: the parts of a concatenation with spaces between them. */
function elementText(element: unknown): string {
  if (Array.isArray(element)) return elementText(element[0]);
  if (typeof element !== "object" || element === null) return String(element);
  const { concat } = element as { concat?: unknown[] };
  return concat ? concat.join(" ") : JSON.stringify(element);
}

/** What is in the directories of things that come and go; of some only what must not stay. */
function filesOf({ folder }: OwnPlace): Record<string, string[]> {
  const [root, run] = [join(folder, "root"), join(folder, "run")];
  const inRun = ["", "containers", "execs", "netns", "ports", "rootfs"];
  const inRoot = ["containers", "volumes"];
  return Object.fromEntries([
    ...inRun.map((name) => [join("run", name), list(join(run, name))]),
    ...inRoot.map((name) => [join("root", name), list(join(root, name))]),
    ["half-written", halfWritten(root)],
  ]);
}

const HALF_WRITTEN = /\.(new|tmp|part)$|^\.?(tmp|new|partial|temp)[-.]/;

/** Files that are written beside their place and moved in, of a write that never ended. */
function halfWritten(root: string): string[] {
  const found = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !["layers", "containers", "volumes"].includes(entry.name))
    .flatMap((entry) => readdirSync(join(root, entry.name), { recursive: true, encoding: "utf8" }));
  return found.filter((path) => HALF_WRITTEN.test(path.split("/").at(-1)!)).sort();
}

/** What every bay has, however much it is used. */
const FIXED =
  /^(root\/(bayd\.log|given\.key|index\.json|oci-layout|blobs\/sha256|(state|layers\/mount-points)(\/.*)?)|run\/(bayd\.pid|ended|keeper|keeper\.lock|rules))$/;

/** Everything below both roots but what is fixed, and the directories there that are made at first use. */
export function treeOf({ folder }: Bay): string[] {
  return ["root", "run"]
    .flatMap((name) =>
      readdirSync(join(folder, name), { recursive: true, encoding: "utf8" }).map((path) => join(name, path)),
    )
    .filter((path) => path.split("/").length > 2 || !lstatSync(join(folder, path)).isDirectory())
    .filter((path) => !FIXED.test(path))
    .sort();
}

/** FIFOs and programs of containers that run, which a container that has ended has not. */
export function runFilesOf(bay: Bay, id: string): string[] {
  const directory = join(bay.folder, "run", "containers", id.slice(0, 16));
  return list(directory).map((name) => `${name}${lstatSync(join(directory, name)).isFIFO() ? "|" : ""}`);
}

/** How many descriptors bayd has of each kind; sockets and pipes count together, files by their path. */
export function descriptorsOf(bay: Bay): Record<string, number> {
  const pid = bay.daemonPid();
  const counts: Record<string, number> = {};
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    let target: string;
    try {
      target = readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      continue; // closed just now
    }
    const kind = target.replace(/:\[\d+\]$/, "").replace(`${bay.folder}/`, "");
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return Object.fromEntries(Object.entries(counts).sort(([a], [b]) => a.localeCompare(b, "en")));
}
