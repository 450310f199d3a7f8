/** The nft command (nft(8)) beside other programs that change rules. */
import { spawnSync } from "node:child_process";
import { HANGS_AFTER } from "./bay.ts";

const ATTEMPTS = 100;

/** Standard output. A listing is interrupted where another program changes rules meanwhile, so it is tried again. */
export function nft(...args: string[]): string {
  for (let attempt = 1; ; attempt++) {
    const { status, stdout, stderr } = spawnSync("nft", args, {
      encoding: "utf8",
      timeout: HANGS_AFTER,
      killSignal: "SIGKILL",
    });
    if (status === 0) return stdout;
    if (attempt === ATTEMPTS || args[0] !== "list") throw new Error(`nft ${args.join(" ")}: ${stderr}`);
  }
}
