/**
 * What a stack could leave behind on the host. Objects that name another bay are left out, so that tests may run beside each
 * other and beside a user's own bay: links, tables and cgroups have the tag of their bay in their names, mounts and processes
 * lead to its folder.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { HANGS_AFTER, ownBays } from "./bay.ts";
import { nft } from "./nft.ts";

const run = (program: string, ...args: string[]) =>
  execFileSync(program, args, { encoding: "utf8", timeout: HANGS_AFTER, killSignal: "SIGKILL" });

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

/** The state by kind of object. ip_forward is not part of it: it may stay on. */
export function hostState(): Record<string, string> {
  const tags = new Set(ownBays.map(({ tag }) => tag));
  const isOthers = (text: string) => {
    const tag = /\b(?:bay[-_]?|ve)([0-9a-f]{5})(?=[-/_ ]|[0-9a-f]{8}\b|$)/.exec(text)?.[1];
    return tag !== undefined && !tags.has(tag);
  };
  const kept = (all: string[]) =>
    all
      .filter((line) => !isOthers(line))
      .sort()
      .join("\n");
  return {
    mounts: kept(lines(run("cut", "-d ", "-f5-", "/proc/self/mountinfo")).filter(isOwnMount)),
    links: kept(readdirSync("/sys/class/net")),
    addresses: kept(lines(run("ip", "-o", "addr")).map((line) => line.split(/\s+/).slice(1, 4).join(" "))),
    routes: kept(lines(run("ip", "route"))),
    rules: rulesOf(tags),
    cgroups: kept(lines(run("find", "/sys/fs/cgroup", "-maxdepth", "3", "-type", "d", "-name", "bay-*"))),
    processes: processes(tags).join("\n"),
    sysctls: kept(
      lines(run("sysctl", "-a", "--pattern", "route_localnet|nonlocal_bind")).map((line) =>
        line.replace(/^net\.ipv[46]\.conf\.(\S+)\.(\w+)/, "$1 $2"),
      ),
    ),
  };
}

/**
 * Mounts of other bays, and of the programs that tests compare bay with, are below temporary folders of theirs. Tests make network
 * namespaces with ip-netns(8), which mounts them below /run/netns; bay never mounts there.
 */
function isOwnMount(line: string): boolean {
  const point = line.split(" ", 1)[0]!;
  return (
    !/^\/(tmp|dev\/shm|run\/netns)\//.test(point) || ownBays.some(({ folder }) => point.startsWith(folder))
  );
}

/** The host's rules without the tables of other bays; counters of other programs' rules change by themselves. */
function rulesOf(tags: ReadonlySet<string>): string {
  return nft("list", "ruleset")
    .replace(/packets \d+ bytes \d+/g, "")
    .split(/^(?=table )/m)
    .filter((table) => {
      const tag = /^table \S+ bay_([0-9a-f]{5}) /.exec(table)?.[1];
      return tag === undefined || tags.has(tag);
    })
    .sort()
    .join("");
}

/** Command lines of bay's processes, without those that another bay's cgroup, environment or open file explains. */
function processes(tags: ReadonlySet<string>): string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      if (!/^bay-(shim|exec|keeper|ports)|bay\.js daemon run/.test(command)) continue;
      if (!isOthersProcess(pid, tags)) found.push(command);
    } catch {
      // it has ended
    }
  }
  return found.sort();
}

function isOthersProcess(pid: string, tags: ReadonlySet<string>): boolean {
  const tag = /\/bay-([0-9a-f]{5})/.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1];
  if (tag !== undefined) return !tags.has(tag);
  const root = /(?:^|\0)BAY_ROOT=([^\0]+)/.exec(readFileSync(`/proc/${pid}/environ`, "utf8"))?.[1];
  const paths = root === undefined ? openFiles(pid).filter((path) => path.includes("/run/")) : [root];
  return paths.length > 0 && !paths.some((path) => ownBays.some(({ folder }) => path.startsWith(folder)));
}

const openFiles = (pid: string) =>
  readdirSync(`/proc/${pid}/fd`).map((number) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${number}`);
    } catch {
      return ""; // it was closed
    }
  });
