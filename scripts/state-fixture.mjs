// Records the state of a small stack as a fixture: test/fixtures/state/format-N/journal, which the tests of
// migrations read. Run it as root with the built command, before the format of the state changes.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const STACK = `name: fixture
images:
  app: { host: { commands: [sh, sleep, "true"] } }
services:
  web:
    image: app
    init: true
    command: [sleep, "100000"]
    ports: ["127.0.0.1:18917:80"]
    environment: { WHO: ü, LONG: "${"x".repeat(300)}" }
    healthcheck: { test: [CMD, "true"], interval: 1h }
    volumes: ["data:/data", "/anonymous"]
    networks: { front: { aliases: [www] } }
    secrets: [token]
    mem_limit: 64m
  once: { image: app, command: ["true"], networks: [front] }
networks: { front: { labels: { kind: test } } }
volumes: { data: { labels: { kind: test } } }
secrets: { token: { file: ./token } }
`;

// the same paths for everybody who makes it
const folder = join(tmpdir(), "bay-state-fixture");
mkdirSync(folder, { mode: 0o700 });
const state = join(folder, "root", "state");
const env = { ...process.env, BAY_ROOT: join(folder, "root"), BAY_RUN: join(folder, "run") };
const bay = (...args) =>
  execFileSync(process.execPath, [resolve("dist/bay.js"), "-f", join(folder, "bay.yaml"), ...args], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
const journal = () => {
  const numbers = readdirSync(state).flatMap((name) => /^journal\.(\d+)$/.exec(name)?.[1] ?? []);
  return readFileSync(join(state, `journal.${Math.max(...numbers.map(Number))}`));
};

try {
  writeFileSync(join(folder, "token"), "not a real secret");
  writeFileSync(join(folder, "bay.yaml"), STACK);
  bay("up", "-d");
  writeFileSync(join(folder, "bay.yaml"), STACK.replace("64m", "128m"));
  bay("up", "-d");
  bay("stop", "web");
  bay("daemon", "stop");
  const bytes = journal();
  const format = /"format",\{"number":(\d+)/.exec(bytes.toString("utf8").split("\n", 1)[0])?.[1] ?? "0";
  const target = join("test", "fixtures", "state", `format-${format}`);
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, "journal"), bytes.toString("utf8"));
  process.stdout.write(`${target}/journal: ${bytes.length} bytes\n`);
} finally {
  bay("down", "-v");
  bay("daemon", "stop");
  rmSync(folder, { recursive: true, force: true });
}
