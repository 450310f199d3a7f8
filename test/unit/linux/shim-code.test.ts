import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { AARCH64_LISTING, shimCode, shimElf, X86_64_LISTING } from "../../../src/linux/shim-code.ts";

const ASSEMBLERS = {
  x64: { listing: X86_64_LISTING, as: "as", objcopy: "objcopy", native: process.arch === "x64" },
  arm64: {
    listing: AARCH64_LISTING,
    as: "aarch64-linux-gnu-as",
    objcopy: "aarch64-linux-gnu-objcopy",
    native: true,
  },
} as const;

function has(command: string): boolean {
  try {
    execFileSync(command, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe("the shim's bytes", () => {
  for (const arch of ["x64", "arm64"] as const) {
    const { listing, as, objcopy, native } = ASSEMBLERS[arch];
    it.skipIf(!native || !has(as))(`are what GNU as makes of the ${arch} listing (needs ${as})`, () => {
      const folder = mkdtempSync(join(tmpdir(), "bay-as-"));
      try {
        writeFileSync(join(folder, "shim.s"), listing);
        execFileSync(as, ["-o", join(folder, "shim.o"), join(folder, "shim.s")]);
        execFileSync(objcopy, [
          "-O",
          "binary",
          "-j",
          ".text",
          join(folder, "shim.o"),
          join(folder, "shim.bin"),
        ]);
        expect(shimCode(arch).toString("hex")).toBe(readFileSync(join(folder, "shim.bin")).toString("hex"));
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    it(`fit into a small static ELF for ${arch}`, () => {
      const elf = shimElf(arch);
      expect(elf.length).toBeLessThan(512);
      expect(elf.toString("latin1", 1, 4)).toBe("ELF");
      expect(Number(elf.readBigUInt64LE(24)) - 0x400000).toBe(elf.length - shimCode(arch).length);
    });
  }
});
