/** examples/gitops/run.sh, as it is. */
import { spawnSync } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Bay, COMMAND } from "../support/bay.ts";

describe("examples/gitops", () => {
  const bay = new Bay();
  bay.write("services: {}");
  afterAll(() => bay.close());

  it("follows a repository through a change, a bad commit and a manual change", () => {
    const folder = join(bay.folder, "example");
    cpSync("examples/gitops", folder, { recursive: true });
    const { status, stdout, stderr } = spawnSync(join(folder, "run.sh"), {
      cwd: folder,
      env: { ...bay.env, BAY: `${process.execPath} ${COMMAND}` },
      encoding: "utf8",
      timeout: 20 * 60_000,
      killSignal: "SIGKILL",
    });
    expect([status, stderr]).toEqual([0, expect.any(String)]);
    expect(stdout).toMatch(
      /pushed version 1\n.*version 1\n--- pushed version 2\nversion 2\n--- pushed version broken\n.*rolled back:\nversion 2\n.*repaired:\n.*version 2\n/s,
    );
    expect(stdout).toMatch(/rolled back .*Version broken/);
    expect(bay.run(["gitops", "ls"]).out).not.toContain("gitops-example");
    expect(bay.stackPs("gitops-example")).toEqual([]);
  });
});
