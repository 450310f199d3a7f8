/** An npm package with all that it depends on, in a folder that later runs use again. Its scripts do not run. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { HANGS_AFTER } from "./bay.ts";
import { type KeptFiles, keptFiles } from "./kept-files.ts";

/** Installs a version of a package. `folder` has its node_modules. */
export function npmFiles(name: string, version: string): KeptFiles {
  return keptFiles(`npm-${name}-${version}`, join("node_modules", name, "package.json"), (folder) => {
    writeFileSync(join(folder, "package.json"), "{}\n");
    const words = ["install", "--ignore-scripts", "--no-audit", "--no-fund", `${name}@${version}`];
    const limits = { timeout: HANGS_AFTER, killSignal: "SIGKILL" } as const;
    execFileSync("npm", words, { cwd: folder, stdio: "pipe", ...limits });
  });
}
