// Runs all tests and closes with one line of counts: `N passed, N failed, N skipped`.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** No part takes this long; one that hangs is told by what still runs. */
const LIMIT = { timeout: 35 * 60_000, killSignal: "SIGKILL" };

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: "inherit", ...LIMIT });
  if (error?.code === "ETIMEDOUT") {
    console.error(`${command} ${args.join(" ")} hangs; what runs:`);
    spawnSync("ps", ["-eo", "pid,ppid,etime,stat,wchan:20,args"], { stdio: "inherit" });
  }
  return status ?? 1;
}
const bin = (name) => join("node_modules", ".bin", name);

let failed = 0;
for (const [command, args] of [
  [bin("biome"), ["check", "--diagnostic-level=warn", "."]],
  [bin("tsc"), ["--noEmit"]],
  [process.execPath, ["scripts/build.mjs"]],
]) {
  if (run(command, args) !== 0) {
    console.error(`failed: ${command} ${args.join(" ")}`);
    failed += 1;
  }
}

const folder = mkdtempSync(join(tmpdir(), "bay-tests-"));
const counts = { passed: 0, failed, skipped: 0 };
for (const project of process.argv.slice(2).length > 0 ? process.argv.slice(2) : ["unit", "host", "e2e"]) {
  const output = join(folder, `${project}.json`);
  const status = run(bin("vitest"), [
    "run",
    "--project",
    project,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${output}`,
    // on two processors the default is one, and most of the time is waiting
    ...(project === "e2e" ? ["--maxWorkers=2"] : []),
  ]);
  if (!existsSync(output)) {
    counts.failed += 1;
    continue;
  }
  const report = JSON.parse(readFileSync(output, "utf8"));
  counts.passed += report.numPassedTests;
  counts.failed += report.numFailedTests;
  counts.skipped += report.numPendingTests + report.numTodoTests;
  // a file that cannot be loaded fails without a failed test
  if (status !== 0 && report.numFailedTests === 0) counts.failed += 1;
}
if (process.argv.length === 2) {
  // by itself: it is slow, and waits for nothing longer than is usual
  const { stdout } = spawnSync("bash", ["test/vm/run.sh"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    ...LIMIT,
  });
  console.log(stdout);
  const line = /^(\d+) passed, 0 failed$/m.exec(stdout);
  if (line) counts.passed += Number(line[1]);
  else if (stdout.startsWith("skipped")) counts.skipped += 1;
  else counts.failed += 1;
}
rmSync(folder, { recursive: true, force: true });
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed > 0 ? 1 : 0);
