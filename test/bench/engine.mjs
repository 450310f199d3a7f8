// The Engine API: a one-off container by docker's command and by bay's beside crun's floor, a list of 500 containers, 200 creates at
// once, and bayd's memory after many requests. Prints one JSON object. docker's command is used if it is installed.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join, resolve } from "node:path";
import { has, median } from "./measure.mjs";

const BAY = resolve("dist/bay.js");
const RUNS = Number(process.env.BAY_BENCH_RUNS ?? 9);
const CONTAINERS = Number(process.env.BAY_BENCH_CONTAINERS ?? 500);
const CREATES = 200;
const REQUESTS = Number(process.env.BAY_BENCH_REQUESTS ?? 100_000);
const FIRST_REQUESTS = 1000;

const folder = mkdtempSync("/var/lib/bay-engine-bench-");
const run = mkdtempSync("/run/bay-engine-bench-");
const env = { ...process.env, BAY_ROOT: join(folder, "root"), BAY_RUN: run, NO_COLOR: "1" };
const socketPath = join(run, "bay.sock");
const agent = new Agent({ keepAlive: true, maxSockets: 32 });

function sh(command, more = {}) {
  const { status, stdout, stderr } = spawnSync("sh", ["-c", command], {
    cwd: folder,
    env: { ...env, ...more },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
  return stdout;
}
const bay = `${process.execPath} ${BAY}`;

function ask(method, path, body) {
  return new Promise((done, fail) => {
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    const call = request({ socketPath, method, path, headers, agent }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => {
        const text = Buffer.concat(parts).toString();
        if (response.statusCode >= 400) fail(new Error(`${method} ${path}: ${text}`));
        else done(text);
      });
    });
    call.on("error", fail);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Milliseconds of commands, run in turn, as the machine's speed may drift. */
function inTurn(commands) {
  const times = Object.fromEntries(Object.keys(commands).map((name) => [name, []]));
  for (let round = 0; round <= RUNS; round++)
    for (const [name, [command, more]] of Object.entries(commands)) {
      const start = performance.now();
      sh(command, more);
      if (round > 0) times[name].push(performance.now() - start);
    }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, Math.round(median(all))]));
}

async function timed(times, action) {
  const all = [];
  for (let round = 0; round < times; round++) {
    const start = performance.now();
    await action();
    all.push(performance.now() - start);
  }
  return Math.round(median(all));
}

const residentMiB = () => {
  const pid = readFileSync(join(run, "bayd.pid"), "utf8").trim();
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024);
};

/** Requests of several kinds, 32 at once. */
async function flood(count) {
  const paths = [
    "/_ping",
    "/containers/json?all=1&limit=5",
    "/info",
    "/images/json",
    "/networks",
    "/version",
  ];
  let next = 0;
  const worker = async () => {
    while (next < count) await ask("GET", paths[next++ % paths.length]);
  };
  await Promise.all(Array.from({ length: 32 }, worker));
}

/** A bundle for crun, if it runs here. */
function crunCommand(rootfs) {
  if (!has("crun")) return undefined;
  const bundle = join(folder, "bundle");
  mkdirSync(bundle);
  sh(`cd ${bundle} && crun spec`);
  const spec = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8"));
  spec.process.args = ["true"];
  spec.process.terminal = false;
  spec.root = { path: rootfs, readonly: true };
  writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
  const command = `crun --cgroup-manager=disabled run --bundle ${bundle} bay-bench-${process.pid}`;
  return spawnSync("sh", ["-c", command], { env }).status === 0 ? command : undefined;
}

function makeRootfs() {
  const rootfs = join(folder, "rootfs");
  for (const name of ["bin", "etc", "tmp", "proc", "sys", "dev"])
    mkdirSync(join(rootfs, name), { recursive: true });
  cpSync("/bin/busybox", join(rootfs, "bin/busybox"));
  for (const name of ["sh", "true", "sleep"]) symlinkSync("busybox", join(rootfs, "bin", name));
  return rootfs;
}

try {
  const rootfs = makeRootfs();
  sh(`${bay} image ls && tar -C ${rootfs} -c . | ${bay} image import - box`);
  const crun = crunCommand(rootfs);
  const docker = { DOCKER_HOST: `unix://${socketPath}` };
  const oneOff = inTurn({
    ...(has("docker") ? { dockerRun: ["docker run --rm box true", docker] } : {}),
    bayContainerRun: [`${bay} container run --rm box true`],
    ...(crun ? { crun: [crun] } : {}),
    bareNode: [`${process.execPath} -e 0`],
  });
  const create = (name) =>
    ask("POST", `/containers/create?name=${name}`, {
      Image: "box",
      Cmd: ["true"],
      HostConfig: { NetworkMode: "none" },
    });
  const start = performance.now();
  await Promise.all(Array.from({ length: CREATES }, (_, index) => create(`at-once-${index}`)));
  const createsAtOnce = Math.round(performance.now() - start);
  for (let index = CREATES; index < CONTAINERS; index++) await create(`further-${index}`);
  const list = await timed(RUNS, () => ask("GET", "/containers/json?all=1"));
  const listByLabel = await timed(RUNS, () =>
    ask("GET", `/containers/json?all=1&filters=${encodeURIComponent('{"label":["a=b"]}')}`),
  );
  await ask("POST", "/containers/prune");
  await flood(FIRST_REQUESTS);
  const first = residentMiB();
  const begin = performance.now();
  await flood(REQUESTS - FIRST_REQUESTS);
  const seconds = (performance.now() - begin) / 1000;
  const result = {
    oneOffMilliseconds: oneOff,
    createsAtOnce: { containers: CREATES, milliseconds: createsAtOnce },
    list: { containers: CONTAINERS, milliseconds: list, byLabelMilliseconds: listByLabel },
    memory: {
      [`after${FIRST_REQUESTS}RequestsMiB`]: first,
      [`after${REQUESTS}RequestsMiB`]: residentMiB(),
      requestsPerSecond: Math.round((REQUESTS - FIRST_REQUESTS) / seconds),
    },
    load: Number(readFileSync("/proc/loadavg", "utf8").split(" ")[0]),
  };
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
} finally {
  agent.destroy();
  spawnSync("sh", ["-c", `${bay} daemon stop`], { cwd: folder, env });
  for (const path of [folder, run]) rmSync(path, { recursive: true, force: true });
}
