/** The text of bay's systemd units (systemd.unit(5), systemd.service(5), systemd.syntax(7)). Pure. */

/** The parameters of bayd's unit. */
export interface UnitSettings {
  /** The command that starts bayd, without its arguments. */
  command: readonly string[];
  /** The command that manages bayd. */
  bay: readonly string[];
  root: string;
  run: string;
  group: string | undefined;
  repair: boolean;
  /** NAME=value, in the order in which they are written. */
  environment: readonly string[];
  /** A file with more variables, which only root may read: values with passwords. */
  environmentFile: string | undefined;
}

/** Exit status for errors that a restart does not fix: invalid settings, a state of a newer bay (EX_CONFIG). */
export const EXIT_CONFIG = 78;

/** A word as systemd reads it: quoted where it needs to be, with C escapes, and without specifiers. */
export function quoted(word: string): string {
  const escaped = word
    .replace(/[\\"]/g, "\\$&")
    .replace(/%/g, "%%")
    .replace(/[\x00-\x1f\x7f]/g, (sign) => `\\x${sign.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return escaped === word && /^[^\s';#]+$/.test(word) ? word : `"${escaped}"`;
}

/** A command line: `$` would begin a variable, and the first word may begin with a special prefix. */
const commandLine = (words: readonly string[]): string =>
  words.map((word) => quoted(word).replaceAll("$", "$$$$")).join(" ");

/** A value of EnvironmentFile=: in double quotes, where \ " ` and $ are escaped. */
export function environmentLine(entry: string): string {
  const equals = entry.indexOf("=");
  return `${entry.slice(0, equals)}="${entry.slice(equals + 1).replace(/[\\"`$]/g, "\\$&")}"\n`;
}

/** bayd. KillMode=process: a stop or restart leaves the containers running, whose cgroups do not belong to the unit. */
export function daemonUnit(unit: UnitSettings): string {
  const flags = [...(unit.repair ? [] : ["--no-repair"]), ...(unit.group ? ["--group", unit.group] : [])];
  return `[Unit]
Description=bay, stacks of containers
Documentation=man:bay(1)
After=network-online.target nss-lookup.target time-sync.target
Wants=network-online.target
RequiresMountsFor=${quoted(unit.root)} ${quoted(unit.run)}
StartLimitIntervalSec=0

[Service]
ExecStart=${commandLine([...unit.command, "daemon", "run", ...flags])}
ExecReload=${commandLine([...unit.bay, "--root", unit.root, "--run", unit.run, "daemon", "reload"])}
${unit.environment.map((entry) => `Environment=${quoted(entry)}\n`).join("")}${
  unit.environmentFile ? `EnvironmentFile=${unit.environmentFile.replace(/%/g, "%%")}\n` : ""
}KillMode=process
Delegate=yes
Restart=always
RestartSec=1
RestartPreventExitStatus=${EXIT_CONFIG}
OOMScoreAdjust=-500
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`;
}

/**
 * Stops the containers when the host shuts down: it starts after bayd and the network, so it stops before them. A stop
 * or restart of bayd alone does not affect it.
 */
export function shutdownUnit(unit: UnitSettings): string {
  return `[Unit]
Description=bay, ordered stop of containers at shutdown
Documentation=man:bay(1)
After=bay.service network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=${commandLine([...unit.bay, "--root", unit.root, "--run", unit.run, "daemon", "stop", "--with-containers"])}
TimeoutStopSec=300

[Install]
WantedBy=multi-user.target
`;
}
