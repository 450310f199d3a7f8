// Daily commands against a floor in the same run: the whole log of a container beside sed over the same file, and a one-off
// container beside exec and beside a bare node.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { median } from "./measure.mjs";

const BAY = resolve("dist/bay.js");
const RUNS = Number(process.env.BAY_BENCH_RUNS ?? 5);
const LINES = Number(process.env.BAY_BENCH_LINES ?? 2_000_000);
const folder = mkdtempSync("/var/lib/bay-commands-bench-");
const run = mkdtempSync("/run/bay-commands-bench-");
const env = { ...process.env, BAY_ROOT: join(folder, "root"), BAY_RUN: run, NO_COLOR: "1" };
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function sh(command) {
  const { status, stdout, stderr } = spawnSync("sh", ["-c", command], { cwd: folder, env, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
  return stdout;
}
const bay = (words) => `${process.execPath} ${BAY} ${words}`;

/** Median milliseconds of a shell command. */
function measure(command) {
  const times = Array.from({ length: RUNS }, () => {
    const start = performance.now();
    sh(command);
    return performance.now() - start;
  });
  return median(times);
}

function makeBusybox(rootfs) {
  for (const name of ["bin", "proc", "sys", "dev", "etc"]) mkdirSync(join(rootfs, name), { recursive: true });
  cpSync("/bin/busybox", join(rootfs, "bin", "busybox"));
  for (const applet of ["sh", "true", "sleep", "seq", "sed"])
    symlinkSync("busybox", join(rootfs, "bin", applet));
}

async function main() {
  makeBusybox(join(folder, "busybox"));
  writeFileSync(
    join(folder, "bay.yaml"),
    `name: commands-bench
images: { box: { rootfs: ./busybox } }
x-common: &common { image: box, stop_grace_period: 0s }
services:
  a: { <<: *common, command: sleep 100000 }
  log:
    <<: *common
    command: [sh, -c, "seq 1 ${LINES} | sed 's/^/a line of a log, with some more text: /'; echo end; sleep 100000"]
    logging: { driver: json-file, options: { max-size: 1g } }
`,
  );
  sh(bay("up -d"));
  while (!sh(bay("logs --no-log-prefix --tail 1 log")).includes("end")) await wait(200);
  const id = sh(bay("ps -q log")).trim();
  const directory = readdirSync(join(folder, "root", "containers")).find((name) =>
    name.startsWith(id.slice(0, 12)),
  );
  const file = join(folder, "root", "containers", directory, "logs", "1.out");
  const bayd = sh(`cat ${join(run, "bayd.pid")}`).trim();
  const memory = () => Math.round(Number(/VmRSS:\s+(\d+)/.exec(sh(`cat /proc/${bayd}/status`))[1]) / 1024);

  const before = memory();
  const floor = measure(`sed 's/^/log-1 | /' ${file} > out`);
  const whole = measure(`${bay("logs log")} > out`);
  const plain = measure(`${bay("logs --no-log-prefix log")} > out`);
  const times = measure(`${bay("logs -t log")} > out`);
  const tail = measure(bay("logs --tail 10 log"));
  const row = (name, value, against, floorName) =>
    console.log(
      `| ${name} | ${Math.round(value)} ms | ${(value / against).toFixed(2)} of ${floorName} (${Math.round(against)} ms) |`,
    );
  console.log(`\nLogs of ${LINES.toLocaleString("en")} lines, and one-off commands, medians of ${RUNS}\n`);
  console.log("| what | bay | ratio |\n|---|---|---|");
  row("logs", whole, floor, "sed over the file");
  row("logs --no-log-prefix", plain, floor, "sed over the file");
  row("logs -t", times, floor, "sed over the file");
  row("logs --tail 10", tail, floor, "sed over the file");
  console.log(`| bayd's memory before and after these logs | ${before} MB, ${memory()} MB | |`);

  const node = measure(`${process.execPath} -e 0`);
  const exec = measure(bay("exec -T a true"));
  row("exec true", exec, node, "a bare node");
  row("run -d a true", measure(bay("run -d a true")), exec, "exec true");
  row("run --rm a true", measure(bay("run --rm -T a true")), exec, "exec true");
  row("ps", measure(bay("ps")), node, "a bare node");
}

try {
  await main();
} finally {
  sh(`${bay("down -t 0")} ; ${bay("daemon stop")}`);
  for (const path of [folder, run]) rmSync(path, { recursive: true, force: true });
}
