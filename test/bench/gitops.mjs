// gitops: from a push with a webhook to an applied commit, beside bay up of the same change; and the CPU time and memory of bayd
// while it follows 100 stacks of 100 repositories, each polled every minute.
import { execFileSync, spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join, resolve } from "node:path";
import { median } from "./measure.mjs";

const BAY = resolve("dist/bay.js");
const PUSHES = Number(process.env.BAY_BENCH_PUSHES ?? 10);
const STACKS = Number(process.env.BAY_BENCH_STACKS ?? 100);
const IDLE_SECONDS = Number(process.env.BAY_BENCH_IDLE ?? 120);
const TICKS = 100; // sysconf(_SC_CLK_TCK)
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

const folder = mkdtempSync("/var/lib/bay-gitops-bench-");
const run = mkdtempSync("/run/bay-gitops-bench-");
const env = { ...process.env, BAY_ROOT: join(folder, "root"), BAY_RUN: run };
const bay = (...args) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BAY, ...args], {
    cwd: folder,
    env,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`bay ${args.join(" ")}: ${stderr}`);
  return stdout;
};
const git = (...args) =>
  execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@example.org", ...args], {
    encoding: "utf8",
  }).trim();

const rootfs = join(folder, "busybox");
for (const name of ["bin", "proc", "sys", "dev", "etc"]) mkdirSync(join(rootfs, name), { recursive: true });
cpSync("/bin/busybox", join(rootfs, "bin", "busybox"));
symlinkSync("busybox", join(rootfs, "bin", "sleep"));

const stack = (version, more = "") => `images: { box: { rootfs: ${rootfs} } }
services:
  web: { image: box, command: sleep 100000, stop_grace_period: 0s, environment: { VERSION: "${version}" } ${more} }
`;

/** A bare repository, and a function that commits a stack and pushes it. */
function makeRepository(name) {
  const bare = join(folder, `${name}.git`);
  const work = join(folder, name);
  git("init", "-q", "--bare", "-b", "main", bare);
  git("init", "-q", "-b", "main", work);
  const push = (text) => {
    writeFileSync(join(work, "bay.yaml"), text);
    git("-C", work, "add", "-A");
    git("-C", work, "commit", "-q", "-m", "Change");
    git("-C", work, "push", "-q", bare, "main");
    return git("-C", work, "rev-parse", "HEAD");
  };
  return { bare, push };
}

/** A request to bayd's socket. */
const ask = (path) =>
  new Promise((done, reject) => {
    request({ socketPath: join(run, "bay.sock"), path }, async (response) => {
      let text = "";
      for await (const part of response) text += part;
      done(JSON.parse(text));
    })
      .on("error", reject)
      .end();
  });
const appliedOf = async (name) => (await ask(`/bay/v1/gitops/${name}`)).status.applied?.id;
async function untilApplied(name, commit) {
  while ((await appliedOf(name)) !== commit) await wait(10);
}

async function pushes() {
  const { bare, push } = makeRepository("shop");
  const first = push(stack(0));
  bay("gitops", "add", "shop", "--repo", bare, "--interval", "24h");
  await untilApplied("shop", first);
  const { port } = JSON.parse(bay("gitops", "listen", "127.0.0.1:0", "--format", "json"));
  const { path, secret } = JSON.parse(bay("gitops", "webhook", "shop", "--format", "json"));
  const times = [];
  for (let at = 1; at <= PUSHES; at++) {
    const commit = push(stack(at));
    const body = JSON.stringify({ at });
    const sign = createHmac("sha256", secret).update(body).digest("hex");
    const begin = performance.now();
    const headers = { "X-Hub-Signature-256": `sha256=${sign}` };
    await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body, headers });
    await untilApplied("shop", commit);
    times.push(performance.now() - begin);
    await wait(1100); // a source accepts one push in a second
  }
  bay("gitops", "rm", "shop", "--down");
  const ups = [];
  for (let at = 0; at <= PUSHES; at++) {
    writeFileSync(join(folder, "bay.yaml"), `name: alone\n${stack(at)}`);
    const begin = performance.now();
    bay("up", "-d");
    if (at > 0) ups.push(performance.now() - begin);
  }
  bay("down");
  return { push: median(times), up: median(ups) };
}

/** The CPU time of bayd and the ended programs that it has started, in seconds; and its memory in MiB. */
function useOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  const cpu = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) / TICKS;
  const memory = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
  return { cpu, memory };
}

async function idle() {
  const pid = Number(readFileSync(join(run, "bayd.pid"), "utf8"));
  await wait(10_000);
  const before = useOf(pid);
  const names = Array.from({ length: STACKS }, (_, at) => `s${at}`);
  const commits = new Map();
  for (const name of names) {
    const { bare, push } = makeRepository(name);
    commits.set(name, push(stack(1, ", scale: 0, network_mode: none")));
    bay("gitops", "add", name, "--repo", bare, "--project", name, "--interval", "1m");
  }
  for (const name of names) await untilApplied(name, commits.get(name));
  await wait(20_000);
  const begin = useOf(pid);
  const started = performance.now();
  await wait(IDLE_SECONDS * 1000);
  const end = useOf(pid);
  return {
    cpu: (100 * (end.cpu - begin.cpu)) / ((performance.now() - started) / 1000),
    memory: end.memory - before.memory,
  };
}

try {
  const { push, up } = await pushes();
  console.log(
    `push with a webhook to applied: ${push.toFixed(0)} ms (bay up of the same change: ${up.toFixed(0)} ms)`,
  );
  const { cpu, memory } = await idle();
  console.log(
    `${STACKS} followed stacks, polled each minute: ${cpu.toFixed(2)} % CPU with git, ${memory.toFixed(1)} MiB more memory of bayd`,
  );
} finally {
  spawnSync(process.execPath, [BAY, "daemon", "stop", "--with-containers"], { env });
  rmSync(folder, { recursive: true, force: true });
  rmSync(run, { recursive: true, force: true });
}
