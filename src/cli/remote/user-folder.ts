/** The folder of the user's configuration of bay: XDG_CONFIG_HOME, or ~/.config (XDG Base Directory Specification). */
import { homedir } from "node:os";
import { join } from "node:path";

export function userFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { XDG_CONFIG_HOME = "", HOME } = environment;
  // relative paths are not valid
  const base = XDG_CONFIG_HOME.startsWith("/") ? XDG_CONFIG_HOME : join(HOME || homedir(), ".config");
  return join(base, "bay");
}
