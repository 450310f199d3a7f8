// bay watch: from a saved file to its bytes in the container, 1,000 files of a git checkout, an initial synchronisation of 10,000
// files, and the CPU time and memory of a watch of 50,000 files that rests.
import { execFileSync, spawn, spawnSync } from "node:child_process";
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
const EDITS = Number(process.env.BAY_BENCH_EDITS ?? 100);
const IDLE_SECONDS = Number(process.env.BAY_BENCH_IDLE ?? 20);
const TICKS = 100; // sysconf(_SC_CLK_TCK)
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function makeBusybox(rootfs) {
  for (const name of ["bin", "proc", "sys", "dev", "etc"]) mkdirSync(join(rootfs, name), { recursive: true });
  cpSync("/bin/busybox", join(rootfs, "bin", "busybox"));
  symlinkSync("busybox", join(rootfs, "bin", "sleep"));
}

const folder = mkdtempSync("/var/lib/bay-watch-bench-");
const run = mkdtempSync("/run/bay-watch-bench-");
const env = { ...process.env, BAY_ROOT: join(folder, "root"), BAY_RUN: run };
const source = join(folder, "src");
const bay = (...args) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BAY, ...args], {
    cwd: folder,
    env,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`bay ${args.join(" ")}: ${stderr}`);
  return stdout;
};

function makeFiles(count, text) {
  for (let at = 0; at < count; at++) {
    const directory = join(source, `d${Math.floor(at / 100)}`);
    if (at % 100 === 0) mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `f${at}`), `${text} ${at}\n`);
  }
}

/** Starts a watch, and resolves when it watches. */
async function watch(initial) {
  writeFileSync(
    join(folder, "bay.yaml"),
    `name: watch-bench
images: { box: { rootfs: ./busybox } }
services:
  a:
    image: box
    command: sleep 100000
    stop_grace_period: 0s
    network_mode: none
    develop: { watch: [{ path: ./src, action: sync, target: /app, initial_sync: ${initial} }] }
`,
  );
  const child = spawn(process.execPath, [BAY, "watch", "--json"], {
    cwd: folder,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const events = [];
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (part) => {
    const lines = (rest + part).split("\n");
    rest = lines.pop();
    events.push(...lines.map((line) => JSON.parse(line)));
  });
  while (!events.some(({ type }) => type === "watching")) await wait(5);
  const [{ State }] = JSON.parse(bay("inspect", "watch-bench-a-1"));
  const stop = async () => {
    child.kill("SIGINT");
    await new Promise((done) => child.once("exit", done));
    bay("down", "-t", "0");
  };
  return { child, events, inside: `/proc/${State.Pid}/root/app`, stop };
}

const read = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};

async function until(check) {
  const began = performance.now();
  while (!check()) await wait(1);
  return performance.now() - began;
}

const row = (text, value) => process.stdout.write(`${text.padEnd(60)} ${value}\n`);

try {
  makeBusybox(join(folder, "busybox"));
  mkdirSync(source);
  writeFileSync(join(source, "one"), "0");
  const edits = await watch(true);
  const times = [];
  for (let at = 1; at <= EDITS; at++) {
    await wait(150);
    const text = `edit ${at}`;
    writeFileSync(join(source, "one"), text);
    times.push(await until(() => read(join(edits.inside, "one")) === text));
  }
  times.sort((a, b) => a - b);
  row("a saved file visible in the container: median", `${median(times).toFixed(1)} ms`);
  row(`  the slowest but one of ${EDITS}`, `${times.at(-2).toFixed(1)} ms`);

  makeFiles(1000, "old");
  const git = (...words) =>
    execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a", ...words], {
      cwd: source,
      stdio: "ignore",
    });
  git("init", "-b", "main", ".");
  git("add", ".");
  git("commit", "-m", "old");
  git("checkout", "-b", "new");
  makeFiles(1000, "new");
  git("commit", "-am", "new");
  git("checkout", "main");
  await until(() => read(join(edits.inside, "d9/f999")) === "old 999\n");
  await wait(1000);
  const began = performance.now();
  git("checkout", "new");
  const checkedOut = performance.now() - began;
  await until(() => {
    for (let at = 999; at >= 0; at--)
      if (read(join(edits.inside, `d${Math.floor(at / 100)}`, `f${at}`)) !== `new ${at}\n`) return false;
    return true;
  });
  row("1,000 files of a git checkout, all in the container", `${(performance.now() - began).toFixed(0)} ms`);
  row("  of which git took", `${checkedOut.toFixed(0)} ms`);
  await edits.stop();

  rmSync(source, { recursive: true });
  mkdirSync(source);
  makeFiles(10_000, "file");
  const initial = await watch(true);
  const first = initial.events.find(({ type }) => type === "sync");
  row("initial synchronisation of 10,000 files", `${first.ms.toFixed(0)} ms`);
  await initial.stop();

  makeFiles(50_000, "file");
  const idle = await watch(false);
  await wait(2000);
  const cpu = () => {
    const fields = readFileSync(`/proc/${idle.child.pid}/stat`, "utf8").split(") ")[1].split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  };
  const before = cpu();
  await wait(IDLE_SECONDS * 1000);
  const share = ((cpu() - before) / IDLE_SECONDS) * 100;
  const memory = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${idle.child.pid}/status`, "utf8"))[1]);
  let watches = 0;
  for (const fd of readdirSync(`/proc/${idle.child.pid}/fdinfo`))
    watches += (read(`/proc/${idle.child.pid}/fdinfo/${fd}`)?.match(/^inotify /gm) ?? []).length;
  row(`CPU at rest with 50,000 files, of one core, in ${IDLE_SECONDS} s`, `${share.toFixed(2)} %`);
  row("  its resident memory", `${(memory / 1024).toFixed(0)} MiB`);
  row("  its inotify watches", String(watches));
  await idle.stop();
} finally {
  spawnSync(process.execPath, [BAY, "down", "-t", "0"], { cwd: folder, env });
  spawnSync(process.execPath, [BAY, "daemon", "stop"], { cwd: folder, env });
  for (const path of [folder, run]) rmSync(path, { recursive: true, force: true });
}
