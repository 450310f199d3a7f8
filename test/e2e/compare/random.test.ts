/** Random Dockerfiles by bay and by buildah: the same trees, or both refuse to build. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rounds } from "../../support/long.ts";
import { Comparison, differences, hasBuildah } from "./comparison.ts";
import { randomBuild } from "./random-dockerfiles.ts";

const FIRST = Number(process.env.BAY_RANDOM_SEED ?? 1);
const COUNT = Number(process.env.BAY_RANDOM_BUILDS ?? rounds({ usual: 5, long: 30 }));

/** Builds that one of the two refuses, and BuildKit as bay. */
const KNOWN = [
  { by: "bay", says: /the directory \S+ cannot be replaced by a file/ },
  { by: "buildah", says: /no items matching glob|copier: stat: \[".*[*].*"\]: no such file/ }, // a wildcard may match nothing
];

describe.skipIf(!hasBuildah)("bay and buildah build the same of random files (needs buildah)", () => {
  const comparison = new Comparison();
  beforeAll(() => comparison.start());
  afterAll(() => comparison.close());

  it.each(Array.from({ length: COUNT }, (_, index) => FIRST + index))("seed %i", async (seed) => {
    const { context, file, options } = randomBuild(seed);
    rmSync(comparison.context, { recursive: true });
    mkdirSync(comparison.context);
    execFileSync("bash", ["-ec", context], { cwd: comparison.context });
    const dockerfile = join(comparison.bay.folder, "Dockerfile");
    writeFileSync(dockerfile, file);
    const [own, other] = await Promise.all([
      comparison.byBay(dockerfile, options),
      comparison.byBuildah(dockerfile, options),
    ]);
    const told = `${file}\n${options.join(" ")}\n--\n${context}`;
    if ("failure" in own || "failure" in other) {
      const failures = [own, other].map((built) => ("failure" in built ? built.failure : "built"));
      if (KNOWN.some(({ by, says }) => says.test(failures[by === "bay" ? 0 : 1]!))) return;
      expect(
        failures.map((failure) => failure !== "built"),
        `${failures.join("\n")}\n${told}`,
      ).toEqual([true, true]);
      return;
    }
    const found = differences(own, other);
    if (found.length > 0) throw new Error(`${found.join("\n")}\n${told}`);
  });
});
