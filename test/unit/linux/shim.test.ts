import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ProgramBuilder } from "../../../src/linux/program.ts";
import { reapFirst, spawnShim } from "../../../src/linux/shim.ts";

it("the shim starts with any descriptors, at any numbers", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-shim-"));
  const program = new ProgramBuilder().entry("entry");
  program.call("exit_group", [0], { label: "entry" });
  const fd = openSync(join(folder, "program"), "wx+");
  try {
    program.build().writeTo(fd);
    // among them the number at which this process has the shim itself
    for (const count of [0, 1, 40, 400]) {
      const others = Array.from({ length: count }, (_, index) => (index % 3 === 2 ? undefined : fd));
      for (const first of [4, 33]) reapFirst(spawnShim("bay-test", fd, others, first));
    }
    expect(() => reapFirst(spawnShim("bay-test", openSync("/dev/null", "r")))).toThrow("could not fork");
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
});
