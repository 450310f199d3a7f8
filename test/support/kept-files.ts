/** Folders of downloaded files, which later runs use again. */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

/** What tests have downloaded, for later runs. */
export const TEST_FILES = process.env.BAY_CLIENT_CACHE ?? "/var/cache/bay-test-clients";

/** The folder with the files, or the reason why they are not available. */
export type KeptFiles = { folder: string } | { missing: string };

/** The folder of a name, which `fill` fills if `proof`, one of its files, does not exist. It gets its name when it is complete. */
export function keptFiles(name: string, proof: string, fill: (folder: string) => void): KeptFiles {
  const folder = join(TEST_FILES, name);
  if (existsSync(join(folder, proof))) return { folder };
  try {
    mkdirSync(TEST_FILES, { recursive: true });
    const fresh = mkdtempSync(join(TEST_FILES, "part-"));
    try {
      fill(fresh);
      renameSync(fresh, folder);
    } catch (error) {
      rmSync(fresh, { recursive: true, force: true });
      if (!existsSync(join(folder, proof))) throw error; // another run was faster
    }
    return { folder };
  } catch (error) {
    const { stderr, message } = error as { stderr?: Buffer; message: string };
    return { missing: (stderr?.toString() || message).trim().split("\n").slice(-2).join("; ") };
  }
}
