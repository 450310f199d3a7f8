/** AppArmor (apparmor(7)): whether it is on, and which profiles the kernel has. */
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
    return false; // a kernel without it
  }
}

/** Names of the profiles in the kernel; undefined where they cannot be listed. */
export function loadedProfiles(): Set<string> | undefined {
  try {
    const lines = readFileSync(PROFILES, "utf8").split("\n").filter(Boolean);
    return new Set(lines.map((line) => line.slice(0, line.lastIndexOf(" ("))));
  } catch {
    return undefined; // securityfs is not mounted
  }
}

/** Debian's package apparmor has it. */
export const appArmorParser = (): string | undefined => PARSERS.find((path) => existsSync(path));

/** Gives the kernel a profile, or a newer one of its name. Throws NO_PROFILE. */
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
