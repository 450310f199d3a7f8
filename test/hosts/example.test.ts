/** Examples on several hosts of one machine, as their scripts say. */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { COMMAND, ended } from "../support/bay.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-example-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function runExample(name: string) {
  cpSync(join("examples", name), folder, { recursive: true });
  const env = { ...process.env, BAY: `${process.execPath} ${resolve(COMMAND)}`, NO_COLOR: "1" };
  return ended(spawn("sh", ["run.sh"], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] }));
}

it("examples/three-hosts runs one stack on three hosts of one machine", async () => {
  const { code, out, err } = await runExample("three-hosts");
  expect([code, err]).toEqual([0, expect.stringContaining("container three-hosts-web-1 on host")]);
  expect(out).toContain("client.1 -> host a: the host of client");
  expect(out.match(/^Address: 10\./gm)).toHaveLength(3);
});

it("examples/ovs-gre connects two containers through two bridges and a GRE tunnel", async () => {
  const { code, out, err } = await runExample("ovs-gre");
  expect([code, err]).toEqual([0, expect.stringContaining("container ovs-gre-left-1 on host")]);
  expect(out.match(/type: gre\n\s+options: \{key="42", remote_ip="10\.77\.0\.[12]"\}/g)).toHaveLength(2);
  expect(out.match(/3 packets received/g)).toHaveLength(2);
});
