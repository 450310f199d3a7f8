// Measures bay against whichever of runc, crun, docker and podman are installed, in the same run, and prints one
// table. Figures are medians; the last column is bay's time divided by the peer's.
import { execFile, execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { has, median } from "./measure.mjs";

// crun refuses hybrid cgroups: where they are, everything is measured in a mount namespace with version 1 alone.
// Where /run is on a disk it becomes a tmpfs there, as systemd has it: every tool keeps its small files in it, and
// ext4 takes ten times as long to make them while it still remembers those that were just removed.
const UNIFIED = "/sys/fs/cgroup/unified";
const TMPFS_MAGIC = 0x01021994;
const changes = [
  ...(existsSync(UNIFIED) ? [`umount ${UNIFIED}`] : []),
  ...(statfsSync("/run").type === TMPFS_MAGIC ? [] : ["mount -t tmpfs tmpfs /run"]),
];
if (changes.length > 0 && !process.env.BAY_BENCH_INSIDE) {
  const inside = `${changes.join(" && ")} && exec "$@"`;
  const command = ["-m", "sh", "-c", inside, "sh", process.execPath, ...process.argv.slice(1)];
  const { status } = spawnSync("unshare", command, {
    stdio: "inherit",
    env: { ...process.env, BAY_BENCH_INSIDE: changes.join(", ") },
  });
  process.exit(status ?? 1);
}

const BAY = resolve("dist/bay.js");
const RUNS = Number(process.env.BAY_BENCH_RUNS ?? 7);
// beside the places that every tool uses by default: making a file costs differently in different directories
const folder = mkdtempSync("/var/lib/bay-bench-");
const runFolder = mkdtempSync("/run/bay-bench-");
const env = { ...process.env, BAY_ROOT: join(folder, "root"), BAY_RUN: runFolder };
const socketPath = join(runFolder, "bay.sock");
const run = promisify(execFile);
const rows = [];
const notes = process.env.BAY_BENCH_INSIDE
  ? [`measured in a mount namespace: ${process.env.BAY_BENCH_INSIDE}`]
  : [];

const bay = (...args) => spawnSync(process.execPath, [BAY, ...args], { env, cwd: folder, encoding: "utf8" });

/** The median of so many runs. The ones before them do not count: a supervisor has run for a while. */
async function time(action, runs = RUNS, after = () => {}) {
  const values = [];
  for (let index = -Math.min(runs, 20); index < runs; index++) {
    const began = process.hrtime.bigint();
    await action(index);
    if (index >= 0) values.push(Number(process.hrtime.bigint() - began) / 1e6);
    await after(index);
  }
  return median(values);
}

function call(method, path, body) {
  return new Promise((done, fail) => {
    const text = body === undefined ? "" : JSON.stringify(body);
    const sent = request(
      { socketPath, method, path, headers: { "Content-Length": Buffer.byteLength(text) } },
      (response) => {
        let answer = "";
        response.on("data", (part) => (answer += part));
        response.on("end", () =>
          response.statusCode >= 400
            ? fail(new Error(answer))
            : done(answer ? JSON.parse(answer) : undefined),
        );
      },
    );
    sent.on("error", fail);
    sent.end(text);
  });
}

function busybox(target) {
  mkdirSync(join(target, "bin"), { recursive: true });
  for (const name of ["proc", "sys", "dev", "etc"]) mkdirSync(join(target, name), { recursive: true });
  cpSync("/bin/busybox", join(target, "bin", "busybox"));
  for (const name of ["sh", "sleep", "true", "httpd"]) symlinkSync("busybox", join(target, "bin", name));
}

/** An OCI bundle for runc and crun with what `spec` gives, a given command, and no terminal. */
function bundle(tool, args) {
  const path = join(folder, `bundle-${tool}-${args[0]}`);
  if (existsSync(path)) return path;
  mkdirSync(path, { recursive: true });
  busybox(join(path, "rootfs"));
  execFileSync(tool, ["spec"], { cwd: path });
  const file = join(path, "config.json");
  const config = JSON.parse(readFileSync(file, "utf8"));
  config.process.terminal = false;
  config.process.args = args;
  config.process.rlimits = [];
  writeFileSync(file, JSON.stringify(config));
  return path;
}

/** Engines with docker's command line that run here, and an image of the same files in each. */
function engines() {
  const found = ["docker", "podman"].filter((name) => has(name) && spawnSync(name, ["info"]).status === 0);
  if (!found.includes("docker")) notes.push("docker: no engine runs here, so its rows are missing");
  return found.filter((name) => {
    execFileSync("sh", ["-c", `tar -C "$1" -c . | ${name} import - bay-bench`, "sh", join(folder, "box")], {
      stdio: "ignore",
    });
    const tried = spawnSync(
      name,
      ["run", "--rm", ...limitsOf(name), "--network", "none", "bay-bench", "true"],
      {
        encoding: "utf8",
      },
    );
    if (tried.status === 0) return true;
    notes.push(`${name} does not run here: ${tried.stderr.trim().split("\n")[0]}`);
    spawnSync(name, ["rmi", "-f", "bay-bench"]);
    return false;
  });
}

/** podman asks for more open files than this host may allow. */
const limitsOf = (engine) => (engine === "podman" ? ["--ulimit", "host"] : []);

const row = (what, mine, peer, theirs) => rows.push({ what, mine, peer, theirs });
/** Some versions refuse some hosts; their rows are then missing, and the table says why. */
function works(tool) {
  const { status, stderr } = spawnSync(
    tool,
    ["run", "-b", bundle(tool, ["true"]), `bench-try-${process.pid}`],
    { encoding: "utf8" },
  );
  if (status !== 0) notes.push(`${tool} does not run here: ${stderr.trim().split("\n")[0]}`);
  return status === 0;
}

function stackFile(count, mode) {
  const services = Array.from(
    { length: count },
    (_, index) => `  s${index}: { image: box, command: sleep 1000, stop_grace_period: 0s${mode} }`,
  );
  writeFileSync(
    join(folder, "bay.yaml"),
    `name: bench\nimages: { box: { rootfs: ./box } }\nservices:\n${services.join("\n")}\n`,
  );
}

/** Runs a command as the stack's one service, asked of bayd over its socket; gives the container's ID. */
function runner() {
  const planFile = join(folder, "plan.json");
  bay("plan", "-o", planFile);
  const { stack } = JSON.parse(readFileSync(planFile, "utf8"));
  return async (command) => {
    const request = { stack, service: "s0", override: {}, command, servicePorts: true, start: true };
    return (await call("POST", "/bay/v1/run", request)).Id;
  };
}

async function oneContainer() {
  const runtimes = ["runc", "crun"].filter(has).filter(works);
  stackFile(1, ", network_mode: none");
  bay("up", "-d");
  const once = runner();
  const started = [];
  const remove = async () => {
    for (const id of started.splice(0)) await call("DELETE", `/containers/${id}?force=1`);
  };
  const mine = await time(
    async () => {
      const id = await once(["true"]);
      started.push(id);
      await call("POST", `/containers/${id}/wait`);
    },
    20,
    remove,
  );
  for (const tool of runtimes) {
    const path = bundle(tool, ["true"]);
    row(
      "start, run, end of one (network none)",
      mine,
      `${tool} run`,
      await time((index) => run(tool, ["run", "-b", path, `bench-${process.pid}-${index + 100}`]), 20),
    );
  }
  if (runtimes.length === 0) row("start, run, end of one (network none)", mine);
  const many = await time(
    () => Promise.all(Array.from({ length: 50 }, async () => started.push(await once(["sleep", "1000"])))),
    RUNS,
    remove,
  );
  const serial = await time(
    async () => {
      for (let index = 0; index < 50; index++) started.push(await once(["sleep", "1000"]));
    },
    RUNS,
    remove,
  );
  for (const tool of runtimes) {
    const path = bundle(tool, ["sleep", "1000"]);
    const names = Array.from({ length: 50 }, (_, index) => `bench-many-${process.pid}-${index}`);
    const clear = () => Promise.all(names.map((name) => run(tool, ["delete", "-f", name]).catch(() => {})));
    const atOnce = async () => {
      const queue = [...names];
      await Promise.all(
        Array.from({ length: 8 }, async () => {
          for (let name = queue.shift(); name; name = queue.shift()) await startDetached(tool, path, name);
        }),
      );
    };
    row("50 at once (network none)", many, `${tool} run -d, 8 at once`, await time(atOnce, RUNS, clear));
    row(
      "50 one after another (network none)",
      serial,
      `${tool} run -d`,
      await time(
        async () => {
          for (const name of names) await startDetached(tool, path, name);
        },
        RUNS,
        clear,
      ),
    );
  }
  const execTime = await time(() => Promise.resolve(bay("exec", "-T", "s0", "true")));
  row("exec (whole command)", execTime, "node -e 0", await time(() => run(process.execPath, ["-e", "0"])));
  const found = engines();
  const exec = await time(() => Promise.resolve(bay("exec", "-T", "s0", "true")));
  bay("down", "-v");
  // a network and a port, and no container of the stack's own that has it
  stackFile(1, ', scale: 0, ports: ["18888:80"]');
  bay("up", "-d");
  const bridged = await bridgedStart(runner());
  row("start with bridge and published port", bridged);
  for (const engine of found) await oneOfEngine(engine, { mine, many, bridged, exec });
  bay("down", "-v");
}

function bridgedStart(once) {
  const ids = [];
  return time(
    async () => ids.push(await once(["sleep", "1000"])),
    RUNS,
    async () => {
      for (const id of ids.splice(0)) await call("DELETE", `/containers/${id}?force=1`);
    },
  );
}

/** What docker and podman need for the same. */
async function oneOfEngine(engine, { mine, many, bridged, exec }) {
  const few = 5;
  const started = [];
  const clear = async () => {
    if (started.length > 0) await run(engine, ["rm", "-f", "-t", "0", ...started.splice(0)]);
  };
  const runOne = async (...args) =>
    started.push((await run(engine, ["run", "-d", ...limitsOf(engine), ...args])).stdout.trim());
  const none = ["--network", "none", "bay-bench"];
  row(
    "start, run, end of one (network none)",
    mine,
    `${engine} run --rm`,
    await time(() => run(engine, ["run", "--rm", ...limitsOf(engine), ...none, "true"]), few),
  );
  const eight = async () => {
    let left = 50;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        while (left-- > 0) await runOne(...none, "sleep", "1000");
      }),
    );
  };
  row("50 at once (network none)", many, `${engine} run -d, 8 at once`, await time(eight, 1, clear));
  row(
    "start with bridge and published port",
    bridged,
    `${engine} run -d -p`,
    await time(() => runOne("-p", "18889:80", "bay-bench", "sleep", "1000"), few, clear),
  );
  await runOne(...none, "sleep", "1000");
  const [id] = started;
  row("exec (whole command)", exec, `${engine} exec`, await time(() => run(engine, ["exec", id, "true"])));
  await clear();
  await run(engine, ["rmi", "-f", "bay-bench"]);
}

/** docker compose with the same services, where it is installed: up, up again, down. */
async function composeOf(count, figures) {
  const command = ["docker", "compose"];
  if (!has("docker") || spawnSync("docker", ["info"]).status !== 0) return;
  if (spawnSync(command[0], [command[1], "version"]).status !== 0) return;
  const services = Array.from(
    { length: count },
    (_, index) => `  s${index}: { image: bay-bench, command: sleep 1000, stop_grace_period: 0s }\n`,
  );
  const file = join(folder, "compose-of-docker.yaml");
  writeFileSync(file, `name: baybench\nservices:\n${services.join("")}`);
  execFileSync("sh", ["-c", 'tar -C "$1" -c . | docker import - bay-bench', "sh", join(folder, "box")], {
    stdio: "ignore",
  });
  const compose = async (...args) => {
    const began = process.hrtime.bigint();
    await run(command[0], [command[1], "-f", file, ...args]);
    return Number(process.hrtime.bigint() - began) / 1e6;
  };
  row(`up -d of ${count} services`, figures.up, "docker compose", await compose("up", "-d"));
  row(`up -d of ${count}, nothing to do`, figures.again, "docker compose", await compose("up", "-d"));
  row(`down of ${count} services`, figures.down, "docker compose", await compose("down"));
}

/** The container inherits the output, so it must not be a pipe that we wait for. */
function startDetached(tool, path, name) {
  return run("sh", ["-c", `exec ${tool} run -d -b ${path} ${name} >/dev/null 2>&1 </dev/null`]);
}

async function stacks() {
  const bare = await time(() => run(process.execPath, ["-e", "0"]));
  for (const count of [10, 50]) {
    stackFile(count, "");
    bay("up", "-d");
    bay("down");
    const ups = [];
    const downs = [];
    for (let index = 0; index < 5; index++) {
      let began = process.hrtime.bigint();
      bay("up", "-d");
      ups.push(Number(process.hrtime.bigint() - began) / 1e6);
      began = process.hrtime.bigint();
      bay("down");
      downs.push(Number(process.hrtime.bigint() - began) / 1e6);
    }
    row(`up -d of ${count} services`, median(ups));
    row(`down of ${count} services`, median(downs));
    bay("up", "-d");
    const again = await time(() => Promise.resolve(bay("up", "-d")));
    if (count === 50) {
      row("up -d of 50, nothing to do", again, "node -e 0", bare);
      row("ps of 50", await time(() => Promise.resolve(bay("ps"))), "node -e 0", bare);
      memory();
    }
    bay("down");
    await composeOf(count, { up: median(ups), again, down: median(downs) });
  }
  row("bay --version", await time(() => run(process.execPath, [BAY, "--version"])), "node -e 0", bare);
}

function memory() {
  const shims = readdirSync("/proc").filter(
    (pid) => /^\d+$/.test(pid) && readText(`/proc/${pid}/cmdline`).startsWith("bay-shim bench-"),
  );
  const pss = shims.map((pid) =>
    Number(/^Pss:\s+(\d+)/m.exec(readText(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0),
  );
  const pid = readText(join(runFolder, "bayd.pid"));
  notes.push(
    `memory: a shim ${median(pss)} kB PSS (of ${pss.length}); bayd with 50 containers ${Math.round(Number(/VmRSS:\s+(\d+)/.exec(readText(`/proc/${pid}/status`))[1]) / 1024)} MB`,
  );
}

function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

async function firstAnswer() {
  writeFileSync(
    join(folder, "bay.yaml"),
    `name: bench\nimages: { box: { rootfs: ./box } }\nservices:\n  web: { image: box, command: httpd -f -p 80 -h /bin, ports: ["18888:80"], stop_grace_period: 0s }\n`,
  );
  bay("up", "-d");
  bay("down");
  const values = [];
  for (let index = 0; index < 5; index++) {
    const began = process.hrtime.bigint();
    bay("up", "-d");
    for (;;) {
      const ok = await fetch("http://127.0.0.1:18888/sh", { headers: { connection: "close" } })
        .then((answer) => answer.ok)
        .catch(() => false);
      if (ok) break;
    }
    values.push(Number(process.hrtime.bigint() - began) / 1e6);
    bay("down");
  }
  row("up with bridge and published port, to the first answer", median(values));
}

try {
  busybox(join(folder, "box"));
  await oneContainer();
  await stacks();
  await firstAnswer();
  const cells = rows.map(({ what, mine, peer, theirs }) => [
    what,
    `${mine.toFixed(1)} ms`,
    peer ?? "",
    theirs === undefined ? "" : `${theirs.toFixed(1)} ms`,
    theirs === undefined ? "" : (mine / theirs).toFixed(2),
  ]);
  const all = [["", "bay", "peer", "", "bay / peer"], ...cells];
  const widths = all[0].map((_, column) => Math.max(...all.map((cell) => cell[column].length)));
  for (const cell of all)
    console.log(
      cell
        .map((text, column) => text.padEnd(widths[column]))
        .join("  ")
        .trimEnd(),
    );
  for (const line of notes) console.log(line);
} finally {
  bay("-p", "bench", "down", "-v");
  bay("daemon", "stop");
  for (const made of [folder, runFolder]) rmSync(made, { recursive: true, force: true });
}
