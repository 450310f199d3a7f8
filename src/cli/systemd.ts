/** bayd as a systemd unit (systemd.service(5)). */
import { execFileSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { DAEMON_ENVIRONMENT, stopDaemon } from "../daemon/index.ts";
import { BayError } from "../errors.ts";
import type { Context } from "./context.ts";
import { print } from "./ui/output.ts";

const UNIT = "/etc/systemd/system/bay.service";

/** The unit's text. KillMode=process: a stop or restart of bayd leaves the containers running. */
export function unitText(
  command: readonly string[],
  roots: { root: string; run: string },
  group: string | undefined,
): string {
  return `[Unit]
Description=bay, stacks of containers
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=${[...command, "daemon", "run", ...(group ? ["--group", group] : [])].join(" ")}
Environment=BAY_ROOT=${roots.root} BAY_RUN=${roots.run} ${DAEMON_ENVIRONMENT.join(" ")}
KillMode=process
Delegate=yes
Restart=always
RestartSec=1
OOMScoreAdjust=-500
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`;
}

/** Throws NO_SYSTEMD. */
export async function installUnit(context: Context, group: string | undefined): Promise<void> {
  if (!existsSync("/run/systemd/system")) {
    throw new BayError("NO_SYSTEMD", "this host was not booted with systemd", {
      hint: "bay up starts bayd by itself, and a keeper brings it back",
    });
  }
  writeFileSync(UNIT, unitText(context.command, context.roots, group));
  await stopDaemon(context.roots);
  systemctl("daemon-reload");
  systemctl("enable", "--now", "bay.service");
  print(`installed ${UNIT}; bayd runs, now and after every boot`);
}

export async function uninstallUnit(): Promise<void> {
  if (!existsSync(UNIT)) return print("no unit is installed");
  systemctl("disable", "--now", "bay.service");
  rmSync(UNIT);
  systemctl("daemon-reload");
  print(`removed ${UNIT}; containers keep running`);
}

function systemctl(...args: string[]): void {
  try {
    execFileSync("systemctl", args, { stdio: "pipe" });
  } catch (cause) {
    throw new BayError("SYSTEMCTL", `systemctl ${args.join(" ")} failed`, { cause });
  }
}
