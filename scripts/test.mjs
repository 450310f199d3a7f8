// Runs all tests and closes with one line of counts: `N passed, N failed, N skipped`.
// With names of vitest projects (unit, host, e2e, hosts) it runs those alone.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** No part takes this long on any machine: one that does hangs, and the running processes show where. */
const HANGS_AFTER = 3 * 3600_000;
const bin = (name) => join("node_modules", ".bin", name);
const folder = mkdtempSync(join(tmpdir(), "bay-tests-"));
const counts = { passed: 0, failed: 0, skipped: 0 };

/** Runs a command; gives its exit code, and its output where that is captured instead of shown. */
function run(command, args, { isCaptured = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", isCaptured ? "pipe" : "inherit", "inherit"] });
    let output = "";
    child.stdout?.setEncoding("utf8").on("data", (part) => {
      output += part;
    });
    const timer = setTimeout(() => {
      console.error(`${command} ${args.join(" ")} hangs; the running processes:`);
      spawnSync("ps", ["-eo", "pid,ppid,etime,stat,wchan:20,args"], { stdio: "inherit" });
      child.kill("SIGKILL");
    }, HANGS_AFTER);
    const end = (status) => {
      clearTimeout(timer);
      resolve({ status: status ?? 1, output });
    };
    child.on("error", () => end(1)).on("close", end);
  });
}

async function check(command, args) {
  const { status } = await run(command, args);
  if (status === 0) return;
  console.error(`failed: ${command} ${args.join(" ")}`);
  counts.failed += 1;
}

/** Runs vitest projects side by side in one pool of workers. */
async function runProjects(...projects) {
  const file = join(folder, `${projects.join("-")}.json`);
  const { status } = await run(bin("vitest"), [
    "run",
    ...projects.flatMap((name) => ["--project", name]),
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${file}`,
  ]);
  if (!existsSync(file)) {
    counts.failed += 1;
    return;
  }
  const report = JSON.parse(readFileSync(file, "utf8"));
  counts.passed += report.numPassedTests;
  counts.failed += report.numFailedTests;
  counts.skipped += report.numPendingTests + report.numTodoTests;
  // a file that cannot be loaded fails without a failed test
  if (status !== 0 && report.numFailedTests === 0) counts.failed += 1;
}

/** Boots a kernel with cgroup v2 in a virtual machine, and tests there. Its output comes in one piece at its end. */
async function runMachine() {
  const { output } = await run("bash", ["test/vm/run.sh"], { isCaptured: true });
  console.log(output);
  const line = /^(\d+) passed, 0 failed$/m.exec(output);
  if (line) counts.passed += Number(line[1]);
  else if (output.startsWith("skipped")) counts.skipped += 1;
  else counts.failed += 1;
}

await check(bin("biome"), ["check", "--diagnostic-level=warn", "."]);
await check(bin("tsc"), ["--noEmit"]);
await check(bin("knip"), ["--no-progress"]);
await check(process.execPath, ["scripts/build.mjs"]);

const named = process.argv.slice(2);
if (named.length > 0) await runProjects(...named);
else {
  await runProjects("unit");
  await Promise.all([runProjects("host", "e2e", "hosts"), runMachine()]);
}
rmSync(folder, { recursive: true, force: true });
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed > 0 ? 1 : 0);
