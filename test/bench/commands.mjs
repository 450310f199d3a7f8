// Daily commands against a floor in the same run: the whole log of a container beside sed over the same file, and a one-off
// container beside exec and beside a bare node.
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { median } from "./measure.mjs";

const BAY = resolve("dist/bay.js");
const RUNS = Number(process.env.BAY_BENCH_RUNS ?? 5);
/** Starts of each command, which is measured in steps of 10 ms of CPU. */
const STARTS = Math.max(RUNS, 15);
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

/** Medians of wall and CPU time (user and system) of commands, run in turn: the machine's speed may drift meanwhile. */
function inTurn(commands) {
  const all = Object.entries(commands).map(([name, command]) => ({ name, command, walls: [], cpus: [] }));
  for (let round = 0; round <= STARTS; round++)
    for (const { command, walls, cpus } of all) {
      const before = childTime();
      const start = performance.now();
      sh(command);
      if (round === 0) continue; // what the first start of a command keeps is used by the later ones
      walls.push(performance.now() - start);
      cpus.push(childTime() - before);
    }
  return Object.fromEntries(
    all.map(({ name, walls, cpus }) => [name, { wall: median(walls), cpu: median(cpus) }]),
  );
}

/** Milliseconds of CPU that processes took which have ended and were waited for. */
function childTime() {
  const fields = readFileSync("/proc/self/stat", "utf8").replace(/.*\) /, "").split(" ");
  return (Number(fields[13]) + Number(fields[14])) * 10;
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

  const commands = {
    "a bare node": `${process.execPath} -e 0`,
    "exec true": bay("exec -T a true"),
    "run -d a true": bay("run -d a true"),
    "run --rm a true": bay("run --rm -T a true"),
    ps: bay("ps"),
  };
  const found = inTurn(commands);
  const compare = (name, floorName) => {
    const [mine, floor] = [found[name], found[floorName]];
    const ratio = (kind) => (mine[kind] / floor[kind]).toFixed(2);
    console.log(
      `| ${name} | ${Math.round(mine.wall)} ms, CPU ${Math.round(mine.cpu)} ms | ${ratio("wall")}, CPU ${ratio("cpu")} of ${floorName} (${Math.round(floor.wall)} ms, CPU ${Math.round(floor.cpu)} ms) |`,
    );
  };
  compare("exec true", "a bare node");
  compare("run -d a true", "exec true");
  compare("run --rm a true", "exec true");
  compare("ps", "a bare node");
}

try {
  await main();
} finally {
  sh(`${bay("down -t 0")} ; ${bay("daemon stop")}`);
  for (const path of [folder, run]) rmSync(path, { recursive: true, force: true });
}
