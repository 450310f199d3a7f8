/** The same Dockerfiles by bay and by buildah: the same files, modes, owners and links, and the same config. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sampleOf } from "../../support/long.ts";
import { Comparison, differences, hasBuildah } from "./comparison.ts";
import { CASES, type Case, CONTEXT } from "./dockerfiles.ts";

describe.skipIf(!hasBuildah)("bay and buildah build the same of (needs buildah)", () => {
  const comparison = new Comparison();
  beforeAll(async () => {
    await comparison.start();
    execFileSync("bash", ["-ec", CONTEXT], { cwd: comparison.context });
  });
  afterAll(() => comparison.close());

  it.each(sampleOf(CASES, 38).map((each) => [each.name, each] as const))("%s", async (_name, given: Case) => {
    const file = join(comparison.bay.folder, "Dockerfile");
    const hasFrom = /^(#.*\n)*(ARG.*\n)*FROM /.test(given.file);
    writeFileSync(file, `${hasFrom ? "" : "FROM base\n"}${given.file}\n`);
    const { differs, options = [] } = given;
    const [own, other] = await Promise.all([
      comparison.byBay(file, options),
      comparison.byBuildah(file, options),
    ]);
    if ("failure" in own) throw new Error(own.failure);
    if ("failure" in other) {
      expect(differs?.unbuildable, other.failure).toBe(true);
      return;
    }
    expect(differs?.unbuildable, "buildah builds it by now").toBeFalsy();
    const found = differences(own, other);
    const isKnown = (line: string) => differs?.lines?.test(line) ?? false;
    const unknown = found.filter((line) => !isKnown(line));
    if (unknown.length > 0) throw new Error(unknown.join("\n"));
    // what is written down as a difference is one
    if (differs) expect(found.length).toBeGreaterThan(0);
  });
});
