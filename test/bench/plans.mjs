// Reading a stack file and planning it, for 10, 100 and 1,000 services: whole commands, against a bare node and, where it is
// installed, docker compose. The last rows say how the cost grows with the services.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { has, median } from "./measure.mjs";

const BAY = resolve("dist/bay.js");
const RUNS = Number(process.env.BAY_BENCH_RUNS ?? 7);
const SIZES = [10, 100, 1000];
const folder = mkdtempSync(join(tmpdir(), "bay-bench-plans-"));
const env = { ...process.env, BAY_ROOT: join(folder, "root"), BAY_RUN: join(folder, "run") };

function stackOf(count, version) {
  const services = Array.from({ length: count }, (_, index) => ({
    name: `s${index}`,
    text: `  s${index}:
    image: own
    command: [serve, "${version}"]
    environment: { INDEX: "${index}", MODE: production }
    networks: [n${index % 10}]
    volumes: ["v${index % 50}:/data"]
    depends_on: ${index >= 10 ? `[s${index - 10}]` : "[]"}
    healthcheck: { test: [CMD, "true"], interval: 10s }
    mem_limit: 64m
`,
  }));
  const names = (letter, most) =>
    Array.from({ length: Math.min(count, most) }, (_, index) => `  ${letter}${index}:`).join("\n");
  return `name: bench\nimages: { own: { rootfs: . } }\nservices:\n${services.map(({ text }) => text).join("")}networks:\n${names("n", 10)}\nvolumes:\n${names("v", 50)}\n`;
}

/** The median time of a command; before each run the file changes, so that nothing is remembered of it. */
function time(command, args, file, text) {
  const values = [];
  for (let run = 0; run < RUNS; run++) {
    if (file) writeFileSync(file, text(run));
    const began = process.hrtime.bigint();
    const { status, stderr } = spawnSync(command, args, {
      env,
      cwd: folder,
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    values.push(Number(process.hrtime.bigint() - began) / 1e6);
    if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
  }
  return median(values);
}

try {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "bay.yaml");
  const bare = time(process.execPath, ["-e", "0"]);
  const hasCompose = has("docker") && spawnSync("docker", ["compose", "version"]).status === 0;
  const rows = [["what", "bay", "peer", "", "bay / peer"]];
  const add = (what, mine, peer, theirs) =>
    rows.push([what, `${mine.toFixed(0)} ms`, peer, `${theirs.toFixed(0)} ms`, (mine / theirs).toFixed(2)]);
  const cost = {};
  for (const count of SIZES) {
    const text = (run) => stackOf(count, run);
    const load = time(process.execPath, [BAY, "config", "-q"], file, text);
    const plan = time(process.execPath, [BAY, "plan", "--json"], file, text);
    cost[count] = { load: load - bare, plan: plan - bare };
    if (hasCompose) {
      const theirs = time("docker", ["compose", "-f", file, "config", "-q"], file, (run) =>
        stackOf(count, run).replace(/^images:.*\n/m, ""),
      );
      add(`config -q, ${count} services`, load, "docker compose config -q", theirs);
    } else add(`config -q, ${count} services`, load, "node -e 0", bare);
    add(`plan, ${count} services`, plan, "node -e 0", bare);
  }
  for (const what of ["load", "plan"])
    rows.push([
      `${what} of a service, 1,000 against 100`,
      `${((cost[1000][what] - cost[100][what]) / 900).toFixed(2)} ms`,
      "from 10 to 100",
      `${((cost[100][what] - cost[10][what]) / 90).toFixed(2)} ms`,
      ((cost[1000][what] - cost[100][what]) / 900 / ((cost[100][what] - cost[10][what]) / 90)).toFixed(2),
    ]);
  const widths = rows[0].map((_, column) => Math.max(...rows.map((cells) => cells[column].length)));
  for (const cells of rows)
    console.log(
      cells
        .map((text, column) => text.padEnd(widths[column]))
        .join("  ")
        .trimEnd(),
    );
  if (!hasCompose) console.log("docker compose: not installed, so its rows are missing");
} finally {
  rmSync(folder, { recursive: true, force: true });
}
