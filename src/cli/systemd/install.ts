/** Installing bayd as a systemd unit, and removing it. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { configFolder, readDaemonSettings } from "../../core/daemon-settings.ts";
import { BayError, hasCode, messageOf } from "../../core/errors.ts";
import { DAEMON_ENVIRONMENT, groupId, passedOn, stopDaemon } from "../../daemon/index.ts";
import { checkStateFormat, replaceFile } from "../../store/index.ts";
import type { Context } from "../context.ts";
import { print } from "../ui/output.ts";
import { daemonUnit, environmentLine, quoted, shutdownUnit, type UnitSettings } from "./unit.ts";

const FOLDER = "/etc/systemd/system";
const UNIT = join(FOLDER, "bay.service");
const SHUTDOWN_UNIT = join(FOLDER, "bay-shutdown.service");

export interface InstallOptions {
  group?: string;
  repair?: boolean;
  /** Only show the files that would be written. */
  print?: boolean;
}

interface File {
  path: string;
  text: string;
  mode: number;
}

/** Directories must be absolute: bayd does not start in the working directory of this command. */
const FOLDERS = ["BAY_CONFIG", "DOCKER_CONFIG", "XDG_CONFIG_HOME"];
const PASSWORD = /:\/\/[^/@\s]+@/;

/** The variables of this command's environment that bayd needs; values with passwords are separate. */
function environmentOf(context: Context): { open: string[]; secret: string[] } {
  const entries = passedOn().map((entry) => {
    const [name = "", value = ""] = [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)];
    return FOLDERS.includes(name) ? `${name}=${resolve(value)}` : entry;
  });
  const path = process.env.PATH ? [`PATH=${process.env.PATH}`] : [];
  const { root, run } = context.roots;
  return {
    open: [
      `BAY_ROOT=${root}`,
      `BAY_RUN=${run}`,
      ...DAEMON_ENVIRONMENT,
      "HOME=/root",
      ...path,
      ...entries.filter((entry) => !PASSWORD.test(entry)),
    ],
    secret: entries.filter((entry) => PASSWORD.test(entry)),
  };
}

/** The unit files to write. Throws NO_SOCKET_GROUP. */
function filesOf(context: Context, options: InstallOptions): File[] {
  if (options.group !== undefined) groupId(options.group);
  const { open, secret } = environmentOf(context);
  const environmentFile = join(resolve(configFolder()), "bayd.env");
  const settings: UnitSettings = {
    command: context.command,
    bay: [process.execPath, fileURLToPath(new URL("./bay.js", import.meta.url))],
    ...context.roots,
    group: options.group,
    repair: options.repair !== false,
    environment: open,
    environmentFile: secret.length > 0 ? environmentFile : undefined,
  };
  return [
    { path: UNIT, text: daemonUnit(settings), mode: 0o644 },
    { path: SHUTDOWN_UNIT, text: shutdownUnit(settings), mode: 0o644 },
    ...(secret.length > 0
      ? [{ path: environmentFile, text: secret.map(environmentLine).join(""), mode: 0o600 }]
      : []),
  ];
}

/** The text of the files for the terminal; values with passwords are hidden. */
const shown = (files: readonly File[]): string =>
  files
    .map(
      ({ path, text, mode }) => `# ${path}\n${mode === 0o600 ? text.replace(/=".*"$/gm, "=********") : text}`,
    )
    .join("\n");

/** Installs the units. Throws NO_SYSTEMD, UNIT_EXISTS, NO_SOCKET_GROUP, BAD_SETTINGS, NEWER_STATE before any change; SYSTEMCTL. */
export async function installUnit(context: Context, options: InstallOptions): Promise<void> {
  const files = filesOf(context, options);
  if (options.print) return print(shown(files));
  requireSystemd();
  requireOwnUnit(context.roots.root);
  readDaemonSettings();
  checkStateFormat(join(context.roots.root, "state"));
  for (const { path, text, mode } of files) {
    mkdirSync(join(path, ".."), { recursive: true });
    replaceFile(path, text, mode);
  }
  await stopDaemon(context.roots);
  systemctl("daemon-reload");
  systemctl("enable", "bay.service", "bay-shutdown.service");
  systemctl("restart", "bay.service");
  systemctl("start", "bay-shutdown.service"); // a restart would stop the containers
  await answering(context);
  const { installCompletions } = await import("../commands/system/completion.ts");
  try {
    installCompletions();
  } catch (error) {
    process.stderr.write(`warning: ${messageOf(error)}\n`); // bayd works without it
  }
  print(
    `${shown(files)}
wrote ${files.map(({ path }) => path).join(", ")}
bayd is running, and starts at every boot. Containers stop in order when the host shuts down.
systemctl reload bay reads ${join(resolve(configFolder()), "daemon.json")} again; bay daemon uninstall removes the units.`,
  );
}

/** Long, because a host may be busy after boot and a state may be migrated; a failed unit ends the wait at once. */
const START_TIMEOUT = 180_000;

/** Waits until bayd answers. Throws DAEMON_START. */
async function answering(context: Context): Promise<void> {
  const client = await context.client();
  for (const end = Date.now() + START_TIMEOUT; ; await sleep(100)) {
    try {
      return void (await client.json("GET", "/bay/v1/daemon"));
    } catch (cause) {
      if (!hasCode(cause, "NO_DAEMON", "DAEMON_LOST")) throw cause;
      if (Date.now() > end || hasFailed())
        throw new BayError("DAEMON_START", "the units are installed, but bayd does not answer", {
          cause,
          hint: "journalctl -u bay shows the reason",
        });
    }
  }
}

/** systemd does not restart bayd: its exit status says that a restart does not help. */
const hasFailed = (): boolean =>
  spawnSync("systemctl", ["is-failed", "--quiet", "bay.service"], { stdio: "ignore" }).status === 0;

function requireSystemd(): void {
  if (existsSync("/run/systemd/system")) return;
  throw new BayError("NO_SYSTEMD", "this host was not booted with systemd", {
    hint: "bay up starts bayd by itself, and a keeper restarts it; --print shows the units",
  });
}

/** Overwriting a unit for another root would silently disable its bayd. */
function requireOwnUnit(root: string): void {
  if (!existsSync(UNIT) || readFileSync(UNIT, "utf8").includes(`Environment=${quoted(`BAY_ROOT=${root}`)}\n`))
    return;
  throw new BayError("UNIT_EXISTS", `${UNIT} already exists and runs bayd with another root than ${root}`, {
    hint: "remove it first with: bay daemon uninstall",
  });
}

/** Removes the units. Containers keep running. */
export async function uninstallUnit(): Promise<void> {
  const paths = [SHUTDOWN_UNIT, UNIT].filter((path) => existsSync(path));
  if (paths.length === 0) return print(`no unit is installed: ${UNIT} does not exist`);
  const file = environmentFileOf(paths);
  // after its unit file is removed, stopping bayd does not stop the containers
  rmSync(SHUTDOWN_UNIT, { force: true });
  for (const link of ["bay-shutdown.service", "bay.service"])
    rmSync(join(FOLDER, "multi-user.target.wants", link), { force: true });
  systemctl("daemon-reload");
  systemctl("stop", "bay.service");
  rmSync(UNIT, { force: true });
  if (file) rmSync(file, { force: true });
  systemctl("daemon-reload");
  print(
    `removed ${[...paths, ...(file ? [file] : [])].join(", ")}
bayd stopped. Containers keep running; bay up starts bayd again.`,
  );
}

const environmentFileOf = (paths: readonly string[]): string | undefined =>
  paths.includes(UNIT)
    ? /^EnvironmentFile="?(\/.*?\/bayd\.env)"?$/m.exec(readFileSync(UNIT, "utf8"))?.[1]
    : undefined;

function systemctl(...args: string[]): void {
  try {
    execFileSync("systemctl", args, { stdio: "pipe" });
  } catch (cause) {
    const said = String((cause as { stderr?: Buffer }).stderr ?? "").trim() || messageOf(cause);
    throw new BayError("SYSTEMCTL", `systemctl ${args.join(" ")} failed: ${said}`, {
      cause,
      hint: "journalctl -u bay shows the output of bayd",
    });
  }
}
