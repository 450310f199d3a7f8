/** Checks of what bay requires of a host. */
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { dirname } from "node:path";
import { lxcfsDevice } from "../../../container/index.ts";
import {
  type DaemonSettings,
  DEFAULT_SETTINGS,
  readDaemonSettings,
  settingsFile,
} from "../../../core/daemon-settings.ts";
import { BayError, messageOf } from "../../../core/errors.ts";
import type { Roots } from "../../../core/roots.ts";
import { appArmorParser, cgroupManager, isAppArmorOn, nft } from "../../../linux/index.ts";
import { dropsForeign, tableName, tryGuard } from "../../../network/index.ts";
import { HOW_TO_FREE, roomOf, roomText } from "../../../store/index.ts";
import { routeFinding } from "./route-check.ts";

export interface Finding {
  state: "ok" | "warning" | "missing";
  what: string;
  found: string;
  hint?: string;
}

type Check = (roots: Roots) => Finding;

const CHECKS: Check[] = [
  () => {
    const ok = process.getuid?.() === 0;
    return {
      state: ok ? "ok" : "missing",
      what: "root",
      found: ok ? "yes" : "no",
      hint: "run bay with sudo",
    };
  },
  () => {
    const [major = 0, minor = 0] = release().split(".").map(Number);
    const ok = major > 5 || (major === 5 && minor >= 12);
    return {
      state: ok ? "ok" : "missing",
      what: "kernel 5.12 or newer",
      found: release(),
      hint: "bay needs mount_setattr(2)",
    };
  },
  () => {
    const ok = /\boverlay\b/.test(readFileSync("/proc/filesystems", "utf8"));
    return {
      state: ok ? "ok" : "warning",
      what: "overlayfs",
      found: ok ? "yes" : "not loaded",
      hint: "modprobe overlay",
    };
  },
  () => {
    const { version, view } = cgroupManager("/bay-doctor");
    return { state: "ok", what: "cgroups", found: version === 2 ? "v2" : `v1: ${[view].flat().join(" ")}` };
  },
  () => library("libnftables1", () => nft("list tables")),
  () => antiSpoofing(tryGuard),
  () => lxcfsFinding(),
  () => {
    const ok = existsSync("/proc/sys/kernel/seccomp");
    return { state: ok ? "ok" : "missing", what: "seccomp", found: ok ? "yes" : "no" };
  },
  () => {
    const ok = !isAppArmorOn() || appArmorParser() !== undefined;
    return {
      state: ok ? "ok" : "warning",
      what: "AppArmor",
      found: isAppArmorOn() ? (ok ? "yes" : "on, without apparmor_parser: containers run unconfined") : "off",
      hint: "apt-get install apparmor",
    };
  },
  () => {
    const ok = (process.env.PATH ?? "").split(":").some((folder) => existsSync(`${folder}/mmdebstrap`));
    return {
      state: ok ? "ok" : "warning",
      what: "mmdebstrap",
      found: ok ? "yes" : "no; images of Debian packages (apt:) need it",
      hint: "apt-get install mmdebstrap",
    };
  },
  (roots) => roomFinding("disk", roots.root),
  (roots) => roomFinding("free space on /run", roots.run),
  () => settingsFinding(),
  (roots) => foreignRules(roots),
  (roots) => forwardingFinding(roots),
  () => routeFinding(),
];

function forwardingFinding({ tag }: Roots): Finding {
  const what = "IPv4 forwarding";
  const on = readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8").trim() === "1";
  if (!on) return { state: "ok", what, found: "disabled; bay enables it with the first network" };
  try {
    if (!dropsForeign(tag)) return { state: "ok", what, found: "on" };
  } catch {
    return { state: "ok", what, found: "on" }; // a missing libnftables has its own finding
  }
  return {
    state: "ok",
    what,
    found: `enabled by bay; packets between the host's other interfaces are dropped (ip-forward-no-drop in ${settingsFile()})`,
  };
}

/** Whether the kernel can prevent address spoofing by containers; they also start without it. */
export function antiSpoofing(attempt: () => void): Finding {
  const what = "anti-spoofing on bridges";
  try {
    attempt();
    return { state: "ok", what, found: "yes" };
  } catch (error) {
    return {
      state: "warning",
      what,
      found: `no; containers can use the addresses of other containers: ${messageOf(error)}`,
      hint: "the kernel needs the bridge family of nftables (CONFIG_NF_TABLES_BRIDGE)",
    };
  }
}

/** Only /proc with the limits of containers needs lxcfs. */
function lxcfsFinding(): Finding {
  const what = "lxcfs";
  const { lxcfs, procView } = readableSettings();
  if (lxcfsDevice(lxcfs) !== undefined) return { state: "ok", what, found: `mounted at ${lxcfs}` };
  if (procView === "host")
    return { state: "ok", what, found: "no; /proc of containers cannot show their limits" };
  return {
    state: "warning",
    what,
    found: `not mounted at ${lxcfs}, and the setting proc is limits: containers cannot start`,
    hint: "apt-get install lxcfs, and start its service",
  };
}

/** Settings with an error have a finding of their own. */
function readableSettings(): DaemonSettings {
  try {
    return readDaemonSettings();
  } catch {
    return DEFAULT_SETTINGS;
  }
}

/** The directory, or its nearest existing parent: bay may not have been started yet. */
function roomFinding(what: string, path: string): Finding {
  let folder = path;
  while (!existsSync(folder)) folder = dirname(folder);
  const room = roomOf(folder);
  return {
    state: room.state === "ok" ? "ok" : "warning",
    what,
    found: `${path}: ${room.state === "full" ? "full, " : room.state === "low" ? "nearly full, " : ""}${roomText(room)}`,
    hint: HOW_TO_FREE,
  };
}

function settingsFinding(): Finding {
  const what = "settings of bayd";
  const file = settingsFile();
  try {
    readDaemonSettings();
    return { state: "ok", what, found: existsSync(file) ? file : `defaults, ${file} does not exist` };
  } catch (error) {
    const hint = error instanceof BayError ? error.hint : undefined;
    return { state: "missing", what, found: messageOf(error), ...(hint ? { hint } : {}) };
  }
}

function library(debianPackage: string, use: () => void): Finding {
  try {
    use();
    return { state: "ok", what: debianPackage, found: "works" };
  } catch (error) {
    return {
      state: "missing",
      what: debianPackage,
      found: messageOf(error),
      hint:
        error instanceof BayError && error.code === "MISSING_LIBRARY"
          ? `apt-get install ${debianPackage}`
          : "the kernel needs nf_tables with nat",
    };
  }
}

/** A base chain of another program that drops forwarded packets by policy: Docker's, ufw's, firewalld's. */
export function foreignRules(roots: Roots): Finding {
  const what = "forwarding rules of other programs";
  let listing: string;
  try {
    listing = nft("list ruleset");
  } catch (error) {
    return { state: "warning", what, found: messageOf(error) };
  }
  const droppers = [...listing.matchAll(/^table (\S+) (\S+) \{([\s\S]*?)^\}/gm)]
    .filter(
      ([, , name, body]) =>
        name !== tableName(roots.tag) && /hook forward[^;]*;\s*policy drop/.test(body ?? ""),
    )
    .map(([, family, name]) => `${family} ${name}`);
  if (droppers.length === 0) return { state: "ok", what, found: "none that drop" };
  return {
    state: "warning",
    what,
    found: droppers.join(", "),
    hint: `the table ${droppers[0]} drops forwarded packets, bay's too; let it accept packets from and to interfaces named bay*`,
  };
}

/** All findings, in order. */
export function inspectHost(roots: Roots): Finding[] {
  return CHECKS.map((check) => check(roots));
}
