/** An npm package with all that it depends on, in a folder that later runs use again. Its scripts do not run. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HANGS_AFTER } from "./bay.ts";
import { type DebianFiles, TEST_FILES } from "./debian-files.ts";

/** Installs a version of a package. `folder` has its node_modules. */
export function npmFiles(name: string, version: string): DebianFiles {
  const folder = join(TEST_FILES, `npm-${name}-${version}`);
  const proof = join("node_modules", name, "package.json");
  if (existsSync(join(folder, proof))) return { folder };
  try {
    mkdirSync(TEST_FILES, { recursive: true });
    const fresh = mkdtempSync(join(TEST_FILES, "part-"));
    try {
      writeFileSync(join(fresh, "package.json"), "{}\n");
      const words = ["install", "--ignore-scripts", "--no-audit", "--no-fund", `${name}@${version}`];
      const limits = { timeout: HANGS_AFTER, killSignal: "SIGKILL" } as const;
      execFileSync("npm", words, { cwd: fresh, stdio: "pipe", ...limits });
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
