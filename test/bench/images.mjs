// Measures how images move: load, push, pull and save of 500 MB in 20,000 files, against whichever of podman, docker
// and skopeo are installed, in the same run. Every round has roots of its own, and nothing is deleted before the end:
// ext4 makes files ten times slower while it remembers as many that were just removed.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { has, median } from "./measure.mjs";

const BAY = resolve("dist/bay.js");
const ROUNDS = Number(process.env.BAY_BENCH_ROUNDS ?? 3);
const FILES = 20_000;
const FILE_SIZE = 25_850;
const folder = mkdtempSync("/var/lib/bay-bench-images-");
const rows = [];
const notes = [];

function header(name, size, type = "0") {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  for (const [text, at] of [
    ["0000644\0", 100],
    ["0000000\0", 108],
    ["0000000\0", 116],
    [`${size.toString(8).padStart(11, "0")}\0`, 124],
    ["14524770200\0", 136],
    ["        ", 148],
    [type, 156],
    ["ustar\x0000", 257],
  ])
    block.write(text, at, "latin1");
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
    148,
    "latin1",
  );
  return block;
}

const padded = (bytes) => Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);

/** An archive of docker save with one layer of random bytes; of its own for each round, so that nothing is known already. */
function makeArchive(path, name) {
  const layer = `${path}.layer`;
  const hash = createHash("sha256");
  const fd = openSync(layer, "w");
  const put = (bytes) => {
    hash.update(bytes);
    writeSync(fd, bytes);
  };
  for (let index = 0; index < FILES; index++)
    put(
      Buffer.concat([
        header(`data/d${Math.floor(index / 100)}/f${index}`, FILE_SIZE),
        padded(randomBytes(FILE_SIZE)),
      ]),
    );
  put(Buffer.alloc(1024));
  closeSync(fd);
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      config: { Cmd: ["true"] },
      rootfs: { type: "layers", diff_ids: [`sha256:${hash.digest("hex")}`] },
      history: [{ created_by: "bench" }],
    }),
  );
  const id = createHash("sha256").update(config).digest("hex");
  const manifest = Buffer.from(
    JSON.stringify([{ Config: `${id}.json`, RepoTags: [name], Layers: ["layer.tar"] }]),
  );
  const out = openSync(path, "w");
  const size = statSync(layer).size;
  for (const bytes of [
    header(`${id}.json`, config.length),
    padded(config),
    header("manifest.json", manifest.length),
    padded(manifest),
    header("layer.tar", size),
  ])
    writeSync(out, bytes);
  closeSync(out);
  execFileSync("sh", ["-c", `cat "$1" >> "$2"; head -c 1024 /dev/zero >> "$2"; rm "$1"`, "sh", layer, path]);
}

function time(command, args, env) {
  const began = process.hrtime.bigint();
  const { status, stderr } = spawnSync(command, args, { env: { ...process.env, ...env }, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
  return Number(process.hrtime.bigint() - began) / 1e9;
}

const freePort = () =>
  new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

const tools = {
  bay(round, kind) {
    const env = {
      BAY_ROOT: join(folder, `bay-${kind}-${round}`),
      BAY_RUN: join(folder, `run-${kind}-${round}`),
    };
    const run = (...args) => time(process.execPath, [BAY, ...args], env);
    return {
      begin: () => run("image", "ls"),
      load: (file) => run("image", "load", "-i", file),
      tag: (from, to) => run("image", "tag", from, to),
      push: (name) => run("image", "push", "-q", name),
      pull: (name) => run("image", "pull", "-q", name),
      save: (name, file) => run("image", "save", "-o", file, name),
      end() {
        const status = readFileSync(
          `/proc/${readFileSync(join(env.BAY_RUN, "bayd.pid"), "utf8")}/status`,
          "utf8",
        );
        peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)[1]) / 1024);
        run("daemon", "stop");
      },
    };
  },
  podman(round, kind) {
    const roots = [
      "--root",
      join(folder, `podman-${kind}-${round}`),
      "--runroot",
      join(folder, `podrun-${kind}-${round}`),
    ];
    const run = (...args) => time("podman", [...roots, ...args]);
    return {
      begin: () => run("images"),
      load: (file) => run("load", "-q", "-i", file),
      tag: (from, to) => run("tag", from, to),
      push: (name) => run("push", "-q", "--tls-verify=false", name),
      pull: (name) => run("pull", "-q", "--tls-verify=false", name),
      save: (name, file) => run("save", "-q", "-o", file, name),
      end() {},
    };
  },
  docker() {
    const run = (...args) => time("docker", args);
    return {
      begin: () => run("images"),
      load: (file) => run("load", "-q", "-i", file),
      tag: (from, to) => run("tag", from, to),
      push: (name) => run("push", "-q", name),
      pull(name) {
        spawnSync("docker", ["rmi", "-f", name]);
        return run("pull", "-q", name);
      },
      save: (name, file) => run("save", "-o", file, name),
      end() {},
    };
  },
};
let peak = 0;

async function main() {
  const port = await freePort();
  writeFileSync(
    join(folder, "registry.yml"),
    JSON.stringify({
      version: "0.1",
      log: { level: "error" },
      storage: { filesystem: { rootdirectory: join(folder, "registry") } },
      http: { addr: `127.0.0.1:${port}` },
    }),
  );
  const registry = spawn("docker-registry", ["serve", join(folder, "registry.yml")], { stdio: "ignore" });
  await new Promise((done) => setTimeout(done, 1000));
  const figures = {};
  const names = ["bay", "podman", "docker"].filter(
    (name) =>
      name === "bay" || (has(name) && (name !== "docker" || spawnSync("docker", ["info"]).status === 0)),
  );
  if (!names.includes("docker")) notes.push("docker: no engine runs here, so its rows are missing");
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of names) {
        const file = join(folder, `${name}-${round}.tar`);
        makeArchive(file, `bench/${name}:${round}`);
        spawnSync("sync");
        const remote = `localhost:${port}/${name}/image:${round}`;
        const one = tools[name](round, "a");
        one.begin();
        const note = (what, seconds) => {
          figures[what] = { ...figures[what], [name]: [...(figures[what]?.[name] ?? []), seconds] };
        };
        note("load", one.load(file));
        if (name === "bay") {
          const plain = join(folder, `tar-${round}`);
          mkdirSync(plain);
          const seconds = time("sh", ["-c", 'tar -xOf "$1" layer.tar | tar -x -C "$2"', "sh", file, plain]);
          figures.load["tar -x"] = [...(figures.load["tar -x"] ?? []), seconds];
        }
        one.tag(`bench/${name}:${round}`, remote);
        note("save", one.save(remote, `${file}.saved`));
        spawnSync("sync");
        note("push", one.push(remote));
        one.end();
        spawnSync("sync");
        const two = tools[name](round, "b");
        two.begin();
        note("pull", two.pull(remote));
        two.end();
        if (has("skopeo")) {
          const target = `dir:${join(folder, `skopeo-${name}-${round}`)}`;
          const seconds = time("skopeo", [
            "copy",
            "-q",
            "--src-tls-verify=false",
            `docker://${remote}`,
            target,
          ]);
          figures.pull.skopeo = [...(figures.pull.skopeo ?? []), seconds];
        }
      }
    }
  } finally {
    registry.kill("SIGKILL");
  }
  for (const [what, by] of Object.entries(figures)) {
    const mine = median(by.bay);
    const peers = Object.keys(by).filter((name) => name !== "bay");
    if (peers.length === 0) rows.push([what, `${mine.toFixed(2)} s`, "", "", ""]);
    for (const peer of peers) {
      const theirs = median(by[peer]);
      const label = peer === "skopeo" ? "skopeo (does not unpack)" : peer;
      rows.push([what, `${mine.toFixed(2)} s`, label, `${theirs.toFixed(2)} s`, (mine / theirs).toFixed(2)]);
    }
  }
  const all = [["500 MB in 20,000 files", "bay", "peer", "", "bay / peer"], ...rows];
  const widths = all[0].map((_, column) => Math.max(...all.map((cells) => cells[column].length)));
  for (const cells of all)
    console.log(
      cells
        .map((text, column) => text.padEnd(widths[column]))
        .join("  ")
        .trimEnd(),
    );
  console.log(`bayd's peak memory: ${Math.round(peak)} MB`);
  for (const line of notes) console.log(line);
}

try {
  mkdirSync(folder, { recursive: true });
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
