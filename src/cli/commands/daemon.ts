import { BayError, hasCode } from "../../errors.ts";
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
      print(
        (await stopDaemon(context.roots))
          ? "bayd stopped. Containers keep running, but they are not restarted or probed, and names do not resolve until bayd runs again."
          : "bayd was not running",
      );
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
