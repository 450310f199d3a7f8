// bay watch: from a saved file to its bytes in the container, 1,000 files of a git checkout, an initial synchronisation of 10,000
// files, and the CPU time and memory of a watch of 50,000 files that rests. Beside it, the same edits under docker compose watch
// with bay's engine, if the tests have downloaded Docker's clients.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
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
process.stdout.write(`load: ${readFileSync("/proc/loadavg", "utf8")}`);
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function makeBusybox(rootfs) {
  for (const name of ["bin", "proc", "sys", "dev", "etc"]) mkdirSync(join(rootfs, name), { recursive: true });
  cpSync("/bin/busybox", join(rootfs, "bin", "busybox"));
  for (const name of ["sleep", "sh", "tar", "rm"]) symlinkSync("busybox", join(rootfs, "bin", name));
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

const CLIENTS = join(process.env.BAY_CLIENT_CACHE ?? "/var/cache/bay-test-clients", "trixie");

/** The times of edits under docker compose watch, with the engine of this bay; undefined without Docker's clients. */
async function composeTimes() {
  const docker = join(CLIENTS, "usr/bin/docker");
  if (!existsSync(docker)) return undefined;
  const [directory, files] = [join(folder, "compose"), join(folder, "compose", "src")];
  mkdirSync(files, { recursive: true });
  const plugins = join(CLIENTS, "usr/libexec/docker/cli-plugins");
  writeFileSync(join(directory, "config.json"), JSON.stringify({ cliPluginsExtraDirs: [plugins] }));
  writeFileSync(join(directory, "Dockerfile"), "FROM bench-image\n");
  writeFileSync(
    join(directory, "compose.yaml"),
    `name: compose-bench
services:
  a:
    build: .
    image: bench-image
    command: sleep 100000
    stop_grace_period: 0s
    network_mode: none
    develop: { watch: [{ path: ./src, action: sync, target: /app }] }
`,
  );
  bay("up", "-d");
  bay("commit", "watch-bench-a-1", "bench-image");
  const options = {
    cwd: directory,
    env: { ...env, DOCKER_HOST: `unix://${join(run, "bay.sock")}`, DOCKER_CONFIG: directory },
  };
  const compose = (...words) => execFileSync(docker, ["compose", ...words], { ...options, stdio: "ignore" });
  compose("up", "-d", "--no-build");
  const child = spawn(docker, ["compose", "watch", "--no-up"], options);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => (said += part));
  try {
    await until(() => said.includes("Watch enabled"));
    const [{ State }] = JSON.parse(bay("inspect", "compose-bench-a-1"));
    return await editTimes(join(files, "one"), `/proc/${State.Pid}/root/app/one`, Math.min(EDITS, 20), 1000);
  } finally {
    child.kill("SIGTERM");
    await new Promise((done) => child.once("exit", done));
    compose("down", "-t", "0");
    bay("down", "-t", "0");
  }
}

/** From each save to its bytes in the container, in milliseconds, sorted. */
async function editTimes(file, inside, count, pause) {
  const times = [];
  for (let at = 1; at <= count; at++) {
    await wait(pause);
    const text = `edit ${at}`;
    writeFileSync(file, text);
    times.push(await until(() => read(inside) === text));
  }
  return times.sort((a, b) => a - b);
}

const row = (text, value) => process.stdout.write(`${text.padEnd(60)} ${value}\n`);

try {
  makeBusybox(join(folder, "busybox"));
  mkdirSync(source);
  writeFileSync(join(source, "one"), "0");
  const edits = await watch(true);
  const times = await editTimes(join(source, "one"), join(edits.inside, "one"), EDITS, 150);
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
  const beside = await composeTimes();
  row(
    "  docker compose watch, with bay's engine: median",
    beside ? `${median(beside).toFixed(0)} ms` : "not installed",
  );
  if (beside) row(`  the slowest but one of ${beside.length}`, `${beside.at(-2).toFixed(0)} ms`);

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
