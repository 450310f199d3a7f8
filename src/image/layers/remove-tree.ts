/**
 * Removes a directory that an image or a container filled. A path in it may be longer than the kernel accepts at once; Node's
 * own removal fails then, and rm(1) does not.
 */
import { execFile, execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { rm } from "node:fs/promises";

/** Removes a directory. What cannot be removed is kept, and the next start tries again. */
export async function removeTree(directory: string): Promise<void> {
  try {
    await rm(directory, { recursive: true, force: true });
  } catch {
    await new Promise<void>((resolve) => execFile("rm", ["-rf", "--", directory], () => resolve()));
  }
}

/** Like `removeTree`, but synchronous, before anything else runs. */
export function removeTreeNow(directory: string): void {
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch {
    try {
      execFileSync("rm", ["-rf", "--", directory], { stdio: "ignore" });
    } catch {
      // it does no harm where it is
    }
  }
}
