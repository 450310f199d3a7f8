/** Which of the tools that tests compare with are on this host. */
import { existsSync } from "node:fs";
import { join } from "node:path";

export const hasCommand = (name: string): boolean =>
  (process.env.PATH ?? "").split(":").some((folder) => existsSync(join(folder, name)));
