/** Whether this host runs programs of a platform: its own, and those with an interpreter (binfmt_misc, Linux admin-guide). */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BayError } from "../core/errors.ts";
import { hostPlatform, type Platform } from "../image/index.ts";

const BINFMT = "/proc/sys/fs/binfmt_misc";
/** e_machine of ELF files (elf.h), as the two bytes in the magic of a binfmt entry. */
const MACHINES: Record<string, string> = {
  arm64: "b700",
  arm: "2800",
  riscv64: "f300",
  ppc64le: "1500",
  s390x: "0016",
  amd64: "3e00",
  "386": "0300",
  loong64: "0201",
};
/** `e_machine` begins at this byte; a byte has two hex digits. */
const MACHINE_AT = 18 * 2;
/** Platforms that a 64-bit kernel also runs natively. */
const NATIVE: Record<string, readonly string[]> = { amd64: ["386"], arm64: ["arm"] };

/** Throws UNSUPPORTED if a command of the platform cannot run. `directory` is where binfmt_misc is mounted. */
export function checkRuns({ os, architecture }: Platform, directory = BINFMT): void {
  const own = hostPlatform();
  if (os !== own.os) throw new BayError("UNSUPPORTED", `programs of ${os} do not run on ${own.os}`);
  if (architecture === own.architecture || NATIVE[own.architecture]?.includes(architecture)) return;
  const entry = entryFor(architecture, directory);
  if (entry?.isFixed) return;
  throw new BayError(
    "UNSUPPORTED",
    entry
      ? `the interpreter for ${architecture} cannot be used in containers: its binfmt entry lacks the flag F`
      : `this host cannot run programs for ${architecture}`,
    { hint: "apt-get install qemu-user-static binfmt-support; COPY and ADD work without it" },
  );
}

/** The kernel's entry for an architecture's ELF files; `isFixed` means that the interpreter was opened in advance. */
function entryFor(architecture: string, directory: string): { isFixed: boolean } | undefined {
  const machine = MACHINES[architecture];
  for (const name of machine === undefined ? [] : entriesIn(directory)) {
    const text = readFileSync(join(directory, name), "utf8");
    const magic = /^magic ([0-9a-f]+)$/m.exec(text)?.[1] ?? "";
    if (!text.startsWith("enabled") || magic.slice(MACHINE_AT, MACHINE_AT + 4) !== machine) continue;
    return { isFixed: /^flags: \S*F/m.test(text) };
  }
  return undefined;
}

function entriesIn(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => name !== "register" && name !== "status");
  } catch {
    return []; // binfmt_misc is not mounted
  }
}
