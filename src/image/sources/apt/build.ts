/**
 * Creates a root file system of Debian packages with mmdebstrap(1). The same packages result in the same bytes: mmdebstrap
 * removes everything that depends on the current time, and file times are those of the packages.
 */
import { spawn } from "node:child_process";
import { dirname } from "node:path";
import type { AptPackages } from "../../../core/apt-packages.ts";
import { BayError } from "../../../core/errors.ts";
import { baseArguments, type HookVariables, imageArguments, OUTDATED } from "./packages.ts";
import { ProgressLines } from "./progress.ts";

export type { AptPackages } from "../../../core/apt-packages.ts";

/** Newer files get this time, so that the time of the build has no effect. */
const EPOCH = String(Date.UTC(1980, 0, 1) / 1000);
const LAST_LINES = 8;
/** unshare(1): the command was not found. */
const NOT_FOUND = 127;
/** dpkg's defaults, and no fsync for each file: after a crash the image is created again (dpkg(1), DPKG_FORCE). */
const DPKG_FORCE = "security-mac,downgrade,unsafe-io";

/**
 * Runs mmdebstrap in its own PID and mount namespaces: when their first process ends, the kernel kills the others and removes
 * the mounts. It also ends with bayd, even if bayd is killed (setpriv(1), unshare(1)).
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

export interface AptWork {
  signal?: AbortSignal | undefined;
  /** Called with progress lines of mmdebstrap. */
  say?: ((line: string) => void) | undefined;
}

/** Files of an image; mmdebstrap works in the directory of the target. */
export interface AptFiles {
  target: string;
  /** The tar of the base. */
  base: string;
  /** Packages of earlier images, which are used if they match the index. */
  cache: string;
  /** An empty directory on the same file system, for the packages of this image. */
  kept: string;
}

/** Writes the essential packages of a suite as a tar. Throws MISSING_TOOL, ABORTED, APT_FAILED. */
export function buildAptBase(wanted: AptPackages, target: string, work: AptWork): Promise<void> {
  return runMmdebstrap(baseArguments(wanted, target), target, {}, work);
}

/**
 * Writes a base with more packages as a tar. Throws MISSING_TOOL, ABORTED, APT_FAILED with the last lines of mmdebstrap's
 * output, and with `mustBeCurrent` OUTDATED_BASE if packages of the base have newer versions.
 */
export function buildAptTar(
  wanted: AptPackages,
  { target, base, cache, kept }: AptFiles,
  { mustBeCurrent, ...work }: AptWork & { mustBeCurrent: boolean },
): Promise<void> {
  const variables: HookVariables = {
    BAY_APT_BASE: base,
    BAY_APT_CACHE: cache,
    BAY_APT_KEPT: kept,
    BAY_APT_PACKAGES: wanted.packages.join(" "),
  };
  return runMmdebstrap(imageArguments(wanted, target, { mustBeCurrent }), target, variables, work);
}

/** Variables of bayd that mmdebstrap and apt need. Scripts of packages get no others, because those may contain secrets. */
const PASSED = ["PATH", "HOME", "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"];

function environment(target: string): NodeJS.ProcessEnv {
  const passed = PASSED.flatMap((name) => {
    const value = process.env[name] ?? process.env[name.toUpperCase()];
    return value === undefined ? [] : [[name, value]];
  });
  return {
    ...Object.fromEntries(passed),
    TMPDIR: dirname(target),
    SOURCE_DATE_EPOCH: EPOCH,
    LC_ALL: "C.UTF-8",
    DEBIAN_FRONTEND: "noninteractive",
    DPKG_FORCE,
  };
}

function runMmdebstrap(
  words: readonly string[],
  target: string,
  variables: Partial<HookVariables>,
  { signal, say }: AptWork,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("setpriv", [...CONFINED, "mmdebstrap", ...words], {
      env: { ...environment(target), ...variables },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const stop = () => void child.kill("SIGKILL");
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
    const progress = new ProgressLines((line) => say?.(line));
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (part: string) => {
      said = (said + part).slice(-8000);
      progress.add(part);
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
      if (signal?.aborted) return reject(new BayError("ABORTED", "the creation of the image was cancelled"));
      if (code === NOT_FOUND)
        return reject(
          new BayError("MISSING_TOOL", "images of Debian packages need mmdebstrap", {
            hint: "apt-get install mmdebstrap",
          }),
        );
      if (said.split("\n").includes(OUTDATED)) return reject(new BayError("OUTDATED_BASE", OUTDATED));
      reject(new BayError("APT_FAILED", `mmdebstrap ended with ${code}:\n${lastLines(said)}`));
    });
  });
}

/** The end of mmdebstrap's output, without its progress. */
function lastLines(said: string): string {
  return said
    .split(/[\r\n]+/)
    .filter((line) => line.trim() !== "" && !/^I: |^(dlstatus|pmstatus):/.test(line))
    .slice(-LAST_LINES)
    .join("\n")
    .replace(/[^\P{C}\n]/gu, " ");
}
