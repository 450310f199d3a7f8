// Runs all tests and closes with one line of counts: `N passed, N failed, N skipped`.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** No part takes this long; one that hangs is told by what still runs. */
const LIMIT = 35 * 60_000;

function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    stdio: "inherit",
    timeout: LIMIT,
    killSignal: "SIGKILL",
  });
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

/** The machine of its own runs beside the other tests, which mostly wait. Gives what it said. */
function startMachine() {
  const file = join(folder, "machine.log");
  const machine = spawn("bash", ["test/vm/run.sh"], {
    stdio: ["ignore", openSync(file, "w"), "inherit"],
    timeout: LIMIT,
    killSignal: "SIGKILL",
  });
  return new Promise((done) => machine.on("close", () => done(readFileSync(file, "utf8"))));
}
const machine = process.argv.length === 2 ? startMachine() : undefined;
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
if (machine) {
  const said = await machine;
  console.log(said);
  const line = /^(\d+) passed, 0 failed$/m.exec(said);
  if (line) counts.passed += Number(line[1]);
  else if (said.startsWith("skipped")) counts.skipped += 1;
  else counts.failed += 1;
}
rmSync(folder, { recursive: true, force: true });
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed > 0 ? 1 : 0);
