import { BayError, hasCode } from "../../../core/errors.ts";
import type { Roots } from "../../../core/roots.ts";
import type { Context } from "../../context.ts";
import { print } from "../../ui/output.ts";

interface DaemonOptions {
  repair?: boolean;
  group?: string;
  withContainers?: boolean;
  print?: boolean;
  validate?: boolean;
  configFile?: string;
}

/** `run` is bayd itself; the others manage it. */
export async function daemon(context: Context, [what]: string[], options: DaemonOptions): Promise<number> {
  if (options.configFile !== undefined && !options.validate)
    throw new BayError("BAD_OPTION", "--config-file works only with --validate", {
      hint: "bayd reads daemon.json in the directory that BAY_CONFIG names",
    });
  if (options.validate) return validate(options.configFile);
  if (["run", "stop", "install", "uninstall"].includes(what!)) await context.requireOwn(`bay daemon ${what}`);
  switch (what) {
    case "run": {
      const { runDaemon } = await import("../../../daemon/process/run.ts");
      try {
        const { gitopsExtension } = await import("../../../gitops/index.ts");
        await runDaemon({
          roots: context.roots,
          repair: options.repair !== false,
          group: options.group,
          extend: [gitopsExtension(context.command)],
        });
      } catch (error) {
        const { entryOf } = await import("../../../core/error-codes/table.ts");
        const { daemonExit } = error instanceof BayError ? entryOf(error.code) : {};
        if (daemonExit === undefined) throw error;
        const { printError } = await import("../../print-error.ts");
        printError(error);
        return daemonExit;
      }
      return 0;
    }
    case "stop": {
      const { stopDaemon } = await import("../../../daemon/index.ts");
      if (options.withContainers) return await stopAll(context);
      print((await stopDaemon(context.roots)) ? await stoppedText(context.roots) : "bayd was not running");
      return 0;
    }
    case "status": {
      try {
        const { pid } = await (await context.client()).json<{ pid: number }>("GET", "/bay/v1/daemon");
        print(`bayd is running (pid ${pid})`);
        return 0;
      } catch (error) {
        if (!hasCode(error, "NO_DAEMON")) throw error;
        print("bayd is not running");
        return 3;
      }
    }
    case "reload":
      return await reload(context);
    case "install":
    case "uninstall": {
      const { installUnit, uninstallUnit } = await import("../../systemd/install.ts");
      await (what === "install" ? installUnit(context, options) : uninstallUnit());
      return 0;
    }
    default:
      throw new BayError("BAD_OPTION", `unknown action ${what ?? ""} of bay daemon`, {
        hint: "expected run, install, uninstall, stop, reload or status",
      });
  }
}

/** Checks daemon.json, and the certificates that it names. Throws BAD_SETTINGS, BAD_CERTIFICATE. */
async function validate(file: string | undefined): Promise<number> {
  const { readSettingsFile, settingsFile } = await import("../../../core/daemon-settings.ts");
  const { existsSync } = await import("node:fs");
  const path = file ?? settingsFile();
  if (!existsSync(path)) {
    if (file !== undefined) throw new BayError("NO_FILE", `--config-file: ${file} does not exist`);
    print(`${path} does not exist: the defaults are used`);
    return 0;
  }
  const { readIdentities } = await import("../../../daemon/process/listeners.ts");
  readIdentities(readSettingsFile(path).listen);
  print(`${path}: configuration OK`);
  return 0;
}

/** Explains what a stopped bayd means for the containers, if there are any. */
async function stoppedText(roots: Roots): Promise<string> {
  const { runningOffline } = await import("../../../daemon/stacks/offline.ts");
  const running = runningOffline(roots);
  if (running === 0) return "bayd stopped.";
  const they = running === 1 ? "1 container keeps running" : `${running} containers keep running`;
  return `bayd stopped. ${they}. Until bayd runs again, containers are not restarted or probed, and their names do not resolve.`;
}

/** Stops the containers, in the order of their dependencies, and bayd. Throws NO_DAEMON. */
async function stopAll(context: Context): Promise<number> {
  const { stopDaemon } = await import("../../../daemon/index.ts");
  if (!(await stopDaemon(context.roots, { containers: true })))
    throw new BayError("NO_DAEMON", "bayd is not running, so it cannot stop containers", {
      hint: "bay up starts it",
    });
  print(
    "containers and bayd stopped. When bayd starts again, it starts the containers that have a restart policy other than no.",
  );
  return 0;
}

async function reload(context: Context): Promise<number> {
  const { file, changes, problems } = await (await context.client()).json<{
    file: string;
    changes: { key: string; from: string | number; to: string | number }[];
    problems: string[];
  }>("POST", "/bay/v1/daemon/reload");
  for (const { key, from, to } of changes) print(`${key}: ${from} -> ${to}`);
  print(
    changes.length === 0
      ? `no setting in ${file} has changed; the certificates were reloaded`
      : "the new settings apply to connections, containers and images from now on",
  );
  for (const problem of problems)
    process.stderr.write(`warning: cannot listen on ${problem}; bayd retries\n`);
  return problems.length > 0 ? 1 : 0;
}
