import { BayError, hasCode } from "../../errors.ts";
import type { Roots } from "../../roots.ts";
import type { Context } from "../context.ts";
import { print } from "../ui/output.ts";

interface DaemonOptions {
  repair?: boolean;
  group?: string;
}

/** `run` is bayd itself; the others manage it. */
export async function daemon(context: Context, [what]: string[], options: DaemonOptions): Promise<number> {
  switch (what) {
    case "run": {
      const { runDaemon } = await import("../../daemon/run.ts");
      await runDaemon({ roots: context.roots, repair: options.repair !== false, group: options.group });
      return 0;
    }
    case "stop": {
      const { stopDaemon } = await import("../../daemon/index.ts");
      print((await stopDaemon(context.roots)) ? await stoppedText(context.roots) : "bayd was not running");
      return 0;
    }
    case "status": {
      try {
        const { pid } = await (await context.client()).json<{ pid: number }>("GET", "/bay/v1/daemon");
        print(`bayd runs (pid ${pid})`);
        return 0;
      } catch (error) {
        if (!hasCode(error, "NO_DAEMON")) throw error;
        print("bayd is not running");
        return 3;
      }
    }
    case "install":
    case "uninstall": {
      const { installUnit, uninstallUnit } = await import("../systemd.ts");
      await (what === "install" ? installUnit(context, options.group) : uninstallUnit());
      return 0;
    }
    default:
      throw new BayError("BAD_OPTION", `bay daemon has no ${what}`, {
        hint: "run, install, uninstall, stop or status",
      });
  }
}

/** Says what a stopped bayd means for the containers, where there are any. */
async function stoppedText(roots: Roots): Promise<string> {
  const { runningOffline } = await import("../../daemon/offline.ts");
  const running = runningOffline(roots);
  if (running === 0) return "bayd stopped.";
  const they = running === 1 ? "1 container keeps running" : `${running} containers keep running`;
  return `bayd stopped. ${they}. Until bayd runs again, containers are not restarted or probed, and their names do not resolve.`;
}
