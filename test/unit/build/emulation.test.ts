import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkRuns } from "../../../src/build/emulation.ts";
import { hostPlatform } from "../../../src/image/index.ts";

/** What the kernel shows of an entry. */
const entry = (machine: string, flags: string, isOn = true) =>
  `${isOn ? "enabled" : "disabled"}\ninterpreter /usr/bin/qemu\nflags: ${flags}\noffset 0\n` +
  `magic 7f454c460201010000000000000000000200${machine}00\nmask ffffffffffffff00fffffffffffffffffeffffff\n`;

describe("programs of another platform", () => {
  const other = hostPlatform().architecture === "arm64" ? "riscv64" : "arm64";
  const machine = other === "arm64" ? "b700" : "f300";
  const check = (files: Record<string, string>, architecture = other) => {
    const directory = mkdtempSync(join(tmpdir(), "binfmt-"));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    try {
      checkRuns({ os: "linux", architecture }, directory);
    } finally {
      rmSync(directory, { recursive: true });
    }
  };

  it("run where the kernel has an interpreter that it opened beforehand", () => {
    expect(() => check({ register: "", status: "enabled\n", qemu: entry(machine, "OCF") })).not.toThrow();
    expect(() => check({}, hostPlatform().architecture)).not.toThrow();
  });

  it("do not run otherwise, and the error says why", () => {
    expect(() => check({})).toThrow(/cannot run programs for/);
    expect(() => check({ qemu: entry("1500", "OCF") })).toThrow(/cannot run programs for/);
    expect(() => check({ qemu: entry(machine, "OCF", false) })).toThrow(/cannot run programs for/);
    expect(() => check({ qemu: entry(machine, "OC") })).toThrow(/lacks the flag F/);
    expect(() => checkRuns({ os: "windows", architecture: "amd64" })).toThrow(/programs of windows/);
  });
});
