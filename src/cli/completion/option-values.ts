/** Values of options: fixed words, names on the host, and files, by option and in some cases by command. */
import { CAPABILITIES } from "../../core/capabilities.ts";
import { SIGNALS } from "../../core/signals.ts";
import type { Names } from "./names.ts";

const signals = Object.keys(SIGNALS);
const capabilities = ["ALL", ...CAPABILITIES.map((name) => name.replace(/^CAP_/, ""))];

/** By option, or by command and option. */
const FIXED: Readonly<Record<string, readonly string[]>> = {
  "down --rmi": ["all", "local"],
  "ps --status": ["created", "running", "paused", "restarting", "exited", "dead"],
  "port --protocol": ["tcp", "udp"],
  "build --provenance": ["false"],
  "build --sbom": ["false"],
  "pull --policy": ["always", "missing"],
  "--signal": signals,
  "--stop-signal": signals,
  "--cap-add": capabilities,
  "--cap-drop": capabilities,
  "--restart": ["no", "always", "unless-stopped", "on-failure"],
  "--log-driver": ["json-file", "local", "syslog", "journald", "none"],
  "--pid": ["host", "container:"],
  "--ipc": ["host", "private", "shareable", "container:"],
  "--uts": ["host"],
  "--cgroupns": ["host", "private"],
  "--security-opt": ["no-new-privileges", "seccomp=", "apparmor="],
  "--platform": ["linux/amd64", "linux/arm64"],
  "--host": ["unix://", "tcp://", "ssh://"],
  "--format": ["table", "json"],
};

/** Names on the host or in the stack file. */
const NAMED: Readonly<Record<string, (names: Names) => Promise<string[]>>> = {
  "build --network": async () => ["default", "none", "host"],
  "gitops --depends-on": (names) => names.sources(),
  "--network": async (names) => [...(await names.networks()), "container:"],
  "--volumes-from": (names) => names.containers(),
  "--link": (names) => names.containers(),
  "--attach": (names) => names.services(),
  "--no-attach": (names) => names.services(),
  "--exit-code-from": (names) => names.services(),
  "--rerun": (names) => names.services(),
  "--hash": (names) => names.services(),
  "--scale": async (names) => (await names.services()).map((name) => `${name}=`),
  "--profile": (names) => names.profiles(),
  "--context": (names) => names.contexts(),
  "--project-name": (names) => names.stacks(),
};

/** Options whose value is a file. */
const FILES = new Set([
  "--file",
  "--env-file",
  "--output",
  "--input",
  "--iidfile",
  "--cidfile",
  "--metadata-file",
  "--env-from-file",
  "--tlscacert",
  "--tlscert",
  "--tlskey",
  "--auth",
  "--ca",
  "--cert",
  "--device",
  "--import",
  "--known-hosts",
  "--secret",
  "--token",
  "--verify",
  "--volume",
]);

/** Words that an option takes on this host; undefined if they are not known. */
export async function wordsOf(command: string, flag: string, names: Names): Promise<string[] | undefined> {
  const fixed = FIXED[`${command} ${flag}`] ?? FIXED[flag];
  if (fixed) return [...fixed];
  return (NAMED[`${command} ${flag}`] ?? NAMED[flag])?.(names);
}

/** Options of programs' files and directories; `isMain` for those before the command. */
export function pathsOf(flag: string, isMain: boolean): "files" | "folders" | undefined {
  if (isMain && (flag === "--workdir" || flag === "--run" || flag === "--root")) return "folders";
  if (flag === "--project-directory" || flag === "--allow-path") return "folders";
  return FILES.has(flag) ? "files" : undefined;
}
