/**
 * A root file system of Debian packages, by mmdebstrap(1). The same packages give the same bytes: mmdebstrap leaves
 * nothing of the day in it, and times are those of the packages.
 */
import { spawn } from "node:child_process";
import { dirname } from "node:path";
import { BayError } from "../../../core/errors.ts";

export interface AptPackages {
  suite: string;
  components: string[];
  packages: string[];
  /** Undefined is mmdebstrap's choice: Debian's own, with the suite's updates and security updates. */
  mirror: string | undefined;
  /** A moment of the archive, as snapshot.debian.org names it: 20260101T000000Z. */
  snapshot: string | undefined;
  /** What is otherwise left out, because a container has no use for it. */
  keep: ("docs" | "man" | "locales" | "lists")[];
}

const SNAPSHOTS = "http://snapshot.debian.org/archive/debian";
/** Files that are newer than this get this time, so that the day of the build shows nowhere. */
const EPOCH = String(Date.UTC(1980, 0, 1) / 1000);
const LAST_LINES = 8;
/** unshare(1): the command was not found. */
const NOT_FOUND = 127;

const LEFT_OUT: Record<"docs" | "man" | "locales", string[]> = {
  docs: [
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/info/*",
  ],
  man: ["path-exclude=/usr/share/man/*"],
  locales: ["path-exclude=/usr/share/locale/*"],
};

/** The arguments of mmdebstrap for a tar at a path. */
export function mmdebstrapArguments(wanted: AptPackages, target: string): string[] {
  const { suite, components, packages, mirror, snapshot, keep } = wanted;
  const left = (["docs", "man", "locales"] as const).filter((what) => !keep.includes(what));
  return [
    "--mode=root",
    "--variant=essential",
    "--format=tar",
    `--components=${components.join(",")}`,
    ...(packages.length > 0 ? [`--include=${packages.join(",")}`] : []),
    ...left.flatMap((what) => LEFT_OUT[what].map((option) => `--dpkgopt=${option}`)),
    ...(keep.includes("lists") ? ["--skip=cleanup/apt/lists"] : []),
    ...(snapshot ? ["--aptopt=Acquire::Check-Valid-Until false"] : []),
    // who a container is, is not the image's to say
    "--customize-hook=rm -f $1/etc/hostname $1/etc/resolv.conf",
    suite,
    target,
    ...(snapshot ? [`${SNAPSHOTS}/${snapshot}`] : mirror ? [mirror] : []),
  ];
}

/**
 * mmdebstrap in namespaces of its own, for processes and for mounts: when their first process ends, the kernel ends all
 * others and takes the mounts away. It ends with bayd too, however bayd ends (setpriv(1), unshare(1)).
 */
const CONFINED = [
  "--pdeathsig",
  "KILL",
  "unshare",
  "--mount",
  "--pid",
  "--fork",
  "--kill-child",
  "--mount-proc",
];

/**
 * Writes the tar; mmdebstrap works in the tar's folder. Throws MISSING_TOOL, ABORTED, and APT_FAILED with the last lines
 * of what mmdebstrap said.
 */
export function buildAptTar(wanted: AptPackages, target: string, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("setpriv", [...CONFINED, "mmdebstrap", ...mmdebstrapArguments(wanted, target)], {
      env: {
        ...process.env,
        TMPDIR: dirname(target),
        SOURCE_DATE_EPOCH: EPOCH,
        LC_ALL: "C.UTF-8",
        DEBIAN_FRONTEND: "noninteractive",
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const stop = () => void child.kill("SIGKILL");
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (part: string) => {
      said = (said + part).slice(-8000);
    });
    child.on("error", (cause) => {
      reject(
        new BayError("MISSING_TOOL", "mmdebstrap cannot be started: setpriv and unshare are needed", {
          cause,
          hint: "apt-get install util-linux",
        }),
      );
    });
    child.on("close", (code) => {
      signal?.removeEventListener("abort", stop);
      if (code === 0) return resolve();
      if (signal?.aborted) return reject(new BayError("ABORTED", "making the image was cancelled"));
      if (code === NOT_FOUND)
        return reject(
          new BayError("MISSING_TOOL", "images of Debian packages need mmdebstrap", {
            hint: "apt-get install mmdebstrap",
          }),
        );
      const lines = said.split(/[\r\n]+/).filter((line) => line.trim() && !/^I: |^\s*$/.test(line));
      const last = lines
        .slice(-LAST_LINES)
        .join("\n")
        .replace(/[^\P{C}\n]/gu, " ");
      reject(new BayError("APT_FAILED", `mmdebstrap ended with ${code}:\n${last}`));
    });
  });
}
