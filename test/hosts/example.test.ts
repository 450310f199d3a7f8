/** examples/three-hosts, as its script says. */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, it } from "vitest";
import { COMMAND, ended } from "../support/bay.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-three-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("examples/three-hosts runs one stack on three hosts of one machine", async () => {
  cpSync("examples/three-hosts", folder, { recursive: true });
  const env = { ...process.env, BAY: `${process.execPath} ${resolve(COMMAND)}`, NO_COLOR: "1" };
  const { code, out, err } = await ended(
    spawn("sh", ["run.sh"], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] }),
  );
  expect([code, err]).toEqual([0, expect.stringContaining("container three-hosts-web-1 on host")]);
  expect(out).toContain("client.1 -> host a: the host of client");
  expect(out.match(/^Address: 10\./gm)).toHaveLength(3);
});
