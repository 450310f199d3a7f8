// bayd's memory with 1, 50 and 100 containers, and what each further one takes: medians of several daemons, when the burst of
// the start is over. The floor is a bare node that waits.
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { median } from "./measure.mjs";

const BAY = resolve("dist/bay.js");
const RUNS = Number(process.env.BAY_BENCH_RUNS ?? 5);
const COUNTS = [1, 50, 100];
/** Milliseconds until bayd has given back what the start took. */
const SETTLE = Number(process.env.BAY_BENCH_SETTLE ?? 10_000);
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function makeBusybox(rootfs) {
  for (const name of ["bin", "proc", "sys", "dev", "etc"]) mkdirSync(join(rootfs, name), { recursive: true });
  cpSync("/bin/busybox", join(rootfs, "bin", "busybox"));
  symlinkSync("busybox", join(rootfs, "bin", "sleep"));
}

/** Resident memory, and what is not shared with the file of the program, in kB. */
function memoryOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const of = (name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)[1]);
  return { resident: of("VmRSS"), own: of("RssAnon") };
}

/** The memory of one bayd at each number of containers. */
async function measure() {
  const folder = mkdtempSync("/var/lib/bay-memory-bench-");
  const run = mkdtempSync("/run/bay-memory-bench-");
  const env = { ...process.env, BAY_ROOT: join(folder, "root"), BAY_RUN: run };
  const bay = (...args) => {
    const { status, stderr } = spawnSync(process.execPath, [BAY, ...args], {
      cwd: folder,
      env,
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`bay ${args.join(" ")}: ${stderr}`);
  };
  makeBusybox(join(folder, "busybox"));
  writeFileSync(
    join(folder, "bay.yaml"),
    "name: memory-bench\nimages: { box: { rootfs: ./busybox } }\nservices: { a: { image: box, command: sleep 100000, stop_grace_period: 0s } }\n",
  );
  const found = [];
  try {
    for (const count of COUNTS) {
      bay("up", "-d", "--scale", `a=${count}`);
      await wait(SETTLE);
      found.push(memoryOf(readFileSync(join(run, "bayd.pid"), "utf8").trim()));
    }
  } finally {
    bay("down", "-t", "0");
    bay("daemon", "stop");
    for (const path of [folder, run]) rmSync(path, { recursive: true, force: true });
  }
  return found;
}

const bare = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
const all = [];
for (let index = 0; index < RUNS; index++) all.push(await measure());
const floor = memoryOf(bare.pid);
bare.kill();
const at = (index, kind) => median(all.map((found) => found[index][kind]));
const megabytes = (kilobytes) => `${Math.round(kilobytes / 1024)} MB`;
console.log(
  `\nbayd's memory, medians of ${RUNS}\n\n| containers | resident | of which its own |\n|---|---|---|`,
);
for (const [index, count] of COUNTS.entries())
  console.log(`| ${count} | ${megabytes(at(index, "resident"))} | ${megabytes(at(index, "own"))} |`);
const each = median(all.map(([, fifty, hundred]) => (hundred.resident - fifty.resident) / 50));
console.log(`| each further one | ${Math.round(each)} kB | |`);
console.log(`| a bare node | ${megabytes(floor.resident)} | ${megabytes(floor.own)} |`);
