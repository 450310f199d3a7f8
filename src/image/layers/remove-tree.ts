/**
 * Removing a directory that an image or a container filled. A path in it may be longer than the kernel takes in one
 * piece, which Node's own removal gives up on and rm(1) does not.
 */
import { execFile, execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { rm } from "node:fs/promises";

/** What cannot be removed stays, for the next start to try again. */
export async function removeTree(directory: string): Promise<void> {
  try {
    await rm(directory, { recursive: true, force: true });
  } catch {
    await new Promise<void>((resolve) => execFile("rm", ["-rf", "--", directory], () => resolve()));
  }
}

/** As `removeTree`, before anything else runs. */
export function removeTreeNow(directory: string): void {
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch {
    try {
      execFileSync("rm", ["-rf", "--", directory], { stdio: "ignore" });
    } catch {
      // it is out of the way where it is
    }
  }
}
