/** AppArmor (apparmor(7)): whether it is enabled, and which profiles are loaded. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { BayError } from "../core/errors.ts";

const ENABLED = "/sys/module/apparmor/parameters/enabled";
const PROFILES = "/sys/kernel/security/apparmor/profiles";
const PARSERS = ["/usr/sbin/apparmor_parser", "/sbin/apparmor_parser"];

export function isAppArmorOn(): boolean {
  try {
    return readFileSync(ENABLED, "utf8").startsWith("Y");
  } catch {
    return false; // the kernel is built without it
  }
}

/** Names of the loaded profiles; undefined if they cannot be listed. */
export function loadedProfiles(): Set<string> | undefined {
  try {
    const lines = readFileSync(PROFILES, "utf8").split("\n").filter(Boolean);
    return new Set(lines.map((line) => line.slice(0, line.lastIndexOf(" ("))));
  } catch {
    return undefined; // securityfs is not mounted
  }
}

/** The path of apparmor_parser(8), from Debian's package apparmor. */
export const appArmorParser = (): string | undefined => PARSERS.find((path) => existsSync(path));

/** Loads a profile, or replaces the loaded one of the same name. Throws NO_PROFILE. */
export function loadProfile(name: string, text: string): void {
  try {
    execFileSync(appArmorParser() ?? "apparmor_parser", ["-Kr"], {
      input: text,
      stdio: ["pipe", "pipe", "pipe"],
    });
  } catch (cause) {
    const said = String((cause as { stderr?: Buffer }).stderr ?? "").trim();
    throw new BayError(
      "NO_PROFILE",
      `the AppArmor profile ${name} cannot be loaded: ${said || "no answer"}`,
      {
        cause,
      },
    );
  }
}
