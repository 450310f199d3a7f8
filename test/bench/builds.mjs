// Measures builds: ten RUN steps cold and cached, a change late in a file, two heavy stages side by side, and a context
// of 10,000 files that did not change; against whichever of docker and buildah are installed and can run a step here,
// and against the floor: a bare node, and find(1) with the state of each file of the context.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { median } from "./measure.mjs";

const BAY = resolve("dist/bay.js");
const ROUNDS = Number(process.env.BAY_BENCH_ROUNDS ?? 5);
const FILES = 10_000;
const folder = mkdtempSync("/var/lib/bay-bench-builds-");
const rows = [];
const notes = [];

const BASE = `FROM scratch AS base
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
`;
const steps = (count) =>
  Array.from({ length: count }, (_, index) => `RUN echo ${index} > /step${index}\n`).join("");
const BUSY = "RUN i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done\n";

function context(name, dockerfile) {
  const at = join(folder, name);
  mkdirSync(at, { recursive: true });
  copyFileSync("/bin/busybox", join(at, "busybox"));
  writeFileSync(join(at, "Dockerfile"), dockerfile);
  writeFileSync(join(at, "late"), "0");
  return at;
}

function time(command, args, env = {}) {
  const began = process.hrtime.bigint();
  const { status, stderr } = spawnSync(command, args, { env: { ...process.env, ...env }, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr.slice(-400)}`);
  return Number(process.hrtime.bigint() - began) / 1e6;
}

const bayEnv = { BAY_ROOT: join(folder, "root"), BAY_RUN: join(folder, "run") };
const tools = {
  bay: (at, ...options) =>
    time(process.execPath, [BAY, "image", "build", "-q", "-t", "bench", ...options, at], bayEnv),
  docker: (at, ...options) => time("docker", ["build", "-q", "-t", "bench", ...options, at]),
  buildah: (at, ...options) =>
    time("buildah", [
      ...["--root", join(folder, "buildah"), "--runroot", join(folder, "buildah-run")],
      ...["bud", "--runtime", "runc", "--network", "host", "-q", "--layers", "-t", "bench", ...options, at],
    ]),
};

const small = context("small", `${BASE}${steps(1)}`);
for (const name of ["docker", "buildah"]) {
  try {
    tools[name](small);
  } catch (error) {
    notes.push(`${name} is left out: ${error.message.replace(/\s+/g, " ").slice(0, 160)}`);
    delete tools[name];
  }
}
tools.bay(small);

/** Every tool in turn in each round, so that the machine's moods meet all of them. */
function row(what, measure) {
  const found = Object.fromEntries(Object.keys(tools).map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++)
    for (const name of Object.keys(tools)) found[name].push(measure(tools[name], round));
  const values = Object.fromEntries(Object.entries(found).map(([name, all]) => [name, median(all)]));
  const peers = Object.entries(values).filter(([name]) => name !== "bay");
  rows.push([
    what,
    `${values.bay.toFixed(0)} ms`,
    ...peers.flatMap(([, value]) => [`${value.toFixed(0)} ms`, (values.bay / value).toFixed(2)]),
  ]);
  return values.bay;
}

const node = median(Array.from({ length: ROUNDS }, () => time(process.execPath, ["-e", "0"])));
const ten = context("ten", `${BASE}${steps(10)}`);
row("10 RUN steps, cold", (build) => build(ten, "--no-cache"));
const cached = row("10 RUN steps, cached", (build) => build(ten));
const late = context("late", `${BASE}${steps(9)}COPY late /late\nRUN cat /late\n`);
tools.bay(late);
row("one file changed, late in the file", (build, round) => {
  writeFileSync(join(late, "late"), `${round} ${Math.random()}`);
  return build(late);
});
const one = context("one", `${BASE}FROM base AS a\n${BUSY}FROM base\nCOPY --from=a /bin/busybox /a\n`);
const two = context(
  "two",
  `${BASE}FROM base AS a\n${BUSY}FROM base AS b\n${BUSY}FROM base\nCOPY --from=a /bin/busybox /a\nCOPY --from=b /bin/busybox /b\n`,
);
const single = row("one heavy stage", (build) => build(one, "--no-cache"));
const double = row("two heavy stages, side by side", (build) => build(two, "--no-cache"));
const many = context("many", `${BASE}COPY tree /tree\n`);
for (let index = 0; index < FILES; index++) {
  const directory = join(many, "tree", String(Math.floor(index / 100)));
  if (index % 100 === 0) mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, String(index)), String(index));
}
spawnSync("sleep", ["3"]); // contents of files that were written just now are not remembered
for (const build of Object.values(tools)) build(many);
const unchanged = row(`a context of ${FILES} files, unchanged`, (build) => build(many));
const looked = median(Array.from({ length: ROUNDS }, () => time("find", [many, "-newermt", "2100-01-01"])));
time(process.execPath, [BAY, "daemon", "stop"], bayEnv);

const head = [
  "build",
  "bay",
  ...Object.keys(tools)
    .filter((name) => name !== "bay")
    .flatMap((name) => [name, "ratio"]),
];
const widths = head.map((_, column) =>
  Math.max(...[head, ...rows].map((cells) => (cells[column] ?? "").length)),
);
for (const cells of [head, ...rows])
  console.log(
    cells
      .map((cell, column) => cell.padEnd(widths[column]))
      .join("  ")
      .trimEnd(),
  );
console.log(`cached, of a bare node: ${(cached / node).toFixed(2)} (${node.toFixed(0)} ms)`);
console.log(
  `unchanged context, of a bare node and find: ${(unchanged / (node + looked)).toFixed(2)} (${(node + looked).toFixed(0)} ms)`,
);
console.log(`two stages, of one: ${(double / single).toFixed(2)}`);
for (const note of notes) console.log(note);
spawnSync("umount", ["-l", join(folder, "buildah", "overlay")]); // buildah leaves it mounted
rmSync(folder, { recursive: true, force: true });
