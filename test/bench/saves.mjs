// Measures `image save` of 260 MB in 10,000 files against whichever of docker and podman are installed and run here, and
// against the floor: tar(1) of the same tree through a pipe into a file. The cached build of the same tree as a context
// that did not change is measured against docker and buildah in builds.mjs.
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { has, median } from "./measure.mjs";

const BAY = resolve("dist/bay.js");
const ROUNDS = Number(process.env.BAY_BENCH_ROUNDS ?? 5);
const FILES = 10_000;
const FILE_SIZE = 26_000;
const folder = mkdtempSync("/var/lib/bay-bench-saves-");
const context = join(folder, "context");
const archive = join(folder, "archive.tar");
const bayEnv = { BAY_ROOT: join(folder, "root"), BAY_RUN: join(folder, "run") };
const podmanRoots = ["--root", join(folder, "podman"), "--runroot", join(folder, "podman-run")];

function time(command, args, env = {}) {
  const began = process.hrtime.bigint();
  const { status, stderr } = spawnSync(command, args, { env: { ...process.env, ...env }, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
  return Number(process.hrtime.bigint() - began) / 1e6;
}

const bay = (...args) => time(process.execPath, [BAY, ...args], bayEnv);
const savers = {
  bay: (file) => bay("image", "save", "-o", file, "bench/save:1"),
  podman: (file) => time("podman", [...podmanRoots, "save", "-q", "-o", file, "bench/save:1"]),
  docker: (file) => time("docker", ["save", "-o", file, "bench/save:1"]),
  "tar -c | cat": (file) => time("sh", ["-c", 'tar -C "$1" -c tree | cat > "$2"', "sh", context, file]),
};

function prepare() {
  for (let index = 0; index < FILES; index++) {
    const directory = join(context, "tree", String(Math.floor(index / 100)));
    if (index % 100 === 0) mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `f${index}`), randomBytes(FILE_SIZE));
  }
  writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY tree /tree\n");
  bay("image", "build", "-q", "-t", "bench/save:1", context);
  savers.bay(archive);
  if (has("podman")) time("podman", [...podmanRoots, "load", "-q", "-i", archive]);
  else delete savers.podman;
  if (spawnSync("docker", ["info"]).status === 0) time("docker", ["load", "-q", "-i", archive]);
  else delete savers.docker;
  rmSync(archive);
}

try {
  prepare();
  const found = Object.fromEntries(Object.keys(savers).map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, save] of Object.entries(savers)) {
      spawnSync("sync");
      found[name].push(save(join(folder, "saved.tar")));
      rmSync(join(folder, "saved.tar"), { force: true });
    }
  const mine = median(found.bay);
  console.log(`save of 260 MB in 10,000 files: bay ${mine.toFixed(0)} ms`);
  for (const [name, values] of Object.entries(found))
    if (name !== "bay")
      console.log(
        `  ${name} ${median(values).toFixed(0)} ms, bay / ${name} ${(mine / median(values)).toFixed(2)}`,
      );
  if (!savers.docker) console.log("  docker is left out: no engine runs here");
  bay("daemon", "stop");
} finally {
  rmSync(folder, { recursive: true, force: true });
}
