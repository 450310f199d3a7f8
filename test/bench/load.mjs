// bayd under load: what the API takes while containers flood logs and DNS, execs storm, connections idle and events rush.
// Prints a row for each load: medians of several runs of the percentiles of GET /containers/json and GET /_ping, of the
// delay of bayd's event loop, its memory and its descriptors, and the slowest answer of all runs.
import { spawn, spawnSync } from "node:child_process";
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
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { median } from "./measure.mjs";

const BAY = resolve("dist/bay.js");
const SECONDS = Number(process.env.BAY_BENCH_SECONDS ?? 8);
const RUNS = Number(process.env.BAY_BENCH_RUNS ?? 5);
const LIMIT_MS = 500;
const DAEMON = "/bay/v1/daemon?eventloop=1";
const CLIENT = resolve("test/bench/dns-client.mjs");
const EVENTS = resolve("test/bench/event-load.mjs");
const folder = mkdtempSync("/var/lib/bay-load-");
const run = mkdtempSync("/run/bay-load-");
const socketPath = join(run, "bay.sock");
const env = { ...process.env, BAY_ROOT: join(folder, "root"), BAY_RUN: run };
const agent = new Agent({ keepAlive: true });

function bay(...args) {
  const { status, stderr } = spawnSync(process.execPath, [BAY, ...args], {
    env,
    cwd: folder,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`bay ${args.join(" ")}: ${stderr}`);
}

function call(method, path, body) {
  return new Promise((done, fail) => {
    const text = body === undefined ? "" : JSON.stringify(body);
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    const sent = request({ socketPath, method, path, headers, agent }, (response) => {
      let answer = "";
      response.on("data", (part) => (answer += part));
      response.on("end", () => (response.statusCode < 400 ? done(answer) : fail(new Error(answer))));
    });
    sent.on("error", fail);
    sent.end(text);
  });
}

const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const at = (values, part) => values[Math.min(values.length - 1, Math.floor(values.length * part))] ?? 0;

/** Asks all the time until the load has run its time. */
async function measure(pid) {
  const times = { list: [], ping: [] };
  await call("GET", DAEMON); // the delay is counted from here on
  const end = performance.now() + SECONDS * 1000;
  while (performance.now() < end) {
    for (const [key, path] of [
      ["ping", "/_ping"],
      ["list", "/containers/json"],
    ]) {
      const began = performance.now();
      await call("GET", path);
      times[key].push(performance.now() - began);
    }
    await wait(5);
  }
  const { eventLoop } = JSON.parse(await call("GET", DAEMON));
  for (const values of Object.values(times)) values.sort((a, b) => a - b);
  return {
    numbers: [
      ...[times.list, times.ping].flatMap((values) => [0.5, 0.99, 1].map((part) => at(values, part))),
      eventLoop.p99,
      eventLoop.max,
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024,
      readdirSync(`/proc/${pid}/fd`).length,
    ],
    slowest: Math.max(times.list.at(-1), times.ping.at(-1)),
  };
}

/** Runs a load several times and prints the medians of what was measured, and the slowest answer of all runs. */
async function showRow(name, begin, pid) {
  const runs = [];
  const notes = [];
  for (let index = 0; index < RUNS; index++) {
    const end = await begin(pid);
    runs.push(await measure(pid));
    const note = await end();
    if (typeof note === "string" && note !== "") notes.push(note);
  }
  const numbers = runs[0].numbers.map((_, column) => median(runs.map((one) => one.numbers[column])));
  const slowest = Math.max(...runs.map((one) => one.slowest));
  const verdict = slowest <= LIMIT_MS ? "" : `  over ${LIMIT_MS} ms`;
  const shown = numbers.map((value, column) => value.toFixed(column < 8 ? 1 : 0).padStart(7)).join(" ");
  console.log(`${name.padEnd(24)} ${shown} ${slowest.toFixed(1).padStart(7)}${verdict}`);
  if (notes.length > 0) console.log(`  ${notes[Math.floor(notes.length / 2)]}`);
}

/** A process of a load; what it prints at its end. */
function startProcess(command, args) {
  const child = spawn(command, args.map(String), { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (part) => (text += part));
  const ended = new Promise((done) => child.once("close", () => done(text.trim())));
  return { child, ended };
}

const loads = {
  idle: async () => async () => {},
  "log flood": async () => {
    await call("POST", "/containers/load-flood-1/start").catch(() => {});
    return () => call("POST", "/containers/load-flood-1/kill").catch(() => {});
  },
  "exec storm": async () => {
    let isOn = true;
    const lane = async () => {
      while (isOn) {
        const made = await call("POST", "/containers/load-still-1/exec", {
          Cmd: ["true"],
          AttachStdout: true,
        });
        await call("POST", `/exec/${JSON.parse(made).Id}/start`, { Detach: true }).catch(() => {});
      }
    };
    const lanes = [lane(), lane(), lane(), lane()];
    return async () => {
      isOn = false;
      await Promise.all(lanes);
    };
  },
  "1,000 idle connections": async () => {
    const sockets = [];
    // in batches: more at once than the socket's backlog are refused by the kernel
    while (sockets.length < 1000) {
      const batch = Array.from({ length: 100 }, () => connect(socketPath));
      await Promise.all(batch.map((socket) => new Promise((done) => socket.once("connect", done))));
      sockets.push(...batch);
    }
    return () => {
      for (const socket of sockets) socket.destroy();
    };
  },
  "DNS flood": async () => {
    const inside = async (name) => {
      const { State } = JSON.parse(await call("GET", `/containers/${name}/json`));
      return [`--net=/proc/${State.Pid}/ns/net`, process.execPath, CLIENT];
    };
    const flood = startProcess("nsenter", [
      ...(await inside("load-still-1")),
      "flood",
      "127.0.0.11",
      SECONDS + 2,
    ]);
    await wait(500);
    const other = await inside("load-other-1");
    const asked = startProcess("nsenter", [...other, "time", "127.0.0.11", "still", SECONDS]);
    return async () => {
      const { sent } = JSON.parse(await flood.ended);
      const { median: middle, p99, max, failed, asked: count } = JSON.parse(await asked.ended);
      const rate = Math.round(sent / (SECONDS + 2));
      return `${rate} packets/s; the other container's questions: median ${middle.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms, ${failed} of ${count} without an answer`;
    };
  },
  "events, no follower": () => eventLoad(0),
  "events, 200 followers": () => eventLoad(200),
};

/** 5,000 events a second: signals over the API that the container ignores. */
async function eventLoad(followers) {
  const load = startProcess(process.execPath, [EVENTS, socketPath, "load-still-1", followers, 5000]);
  await wait(1000);
  return async () => {
    load.child.kill("SIGTERM");
    const { events, refused, cut, least, most } = JSON.parse(await load.ended);
    const bytes = least === most ? `${least}` : `${least} to ${most}`;
    const followed = followers === 0 ? "" : `; each follower received ${bytes} bytes, ${cut} were cut off`;
    const errors = refused === 0 ? "" : `, ${refused} refused`;
    return `${events} events/s${errors}${followed}`;
  };
}

mkdirSync(join(folder, "box", "bin"), { recursive: true });
for (const name of ["proc", "sys", "dev", "etc"]) mkdirSync(join(folder, "box", name));
cpSync("/bin/busybox", join(folder, "box", "bin", "busybox"));
for (const name of ["sh", "sleep", "true", "yes"]) symlinkSync("busybox", join(folder, "box", "bin", name));
writeFileSync(
  join(folder, "bay.yaml"),
  `name: load
images: { box: { rootfs: ./box } }
services:
  # no server is there, so that nothing leaves the host
  still: { image: box, command: sleep 100000, stop_grace_period: 0s, dns: ["127.77.0.53"] }
  other: { image: box, command: sleep 100000, stop_grace_period: 0s }
  flood: { image: box, command: "sh -c 'yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", stop_grace_period: 0s }
`,
);
try {
  bay("up", "-d", "still", "other");
  bay("create", "flood");
  const pid = Number(readFileSync(join(run, "bayd.pid"), "utf8"));
  console.log(
    "load                     list ms: median, p99, max   ping ms: median, p99, max   loop ms: p99, max   MB   files   slowest",
  );
  const wanted = process.argv.slice(2);
  for (const [name, begin] of Object.entries(loads))
    if (wanted.length === 0 || wanted.some((part) => name.includes(part))) await showRow(name, begin, pid);
} finally {
  agent.destroy();
  bay("down", "-t", "0");
  bay("daemon", "stop");
  rmSync(folder, { recursive: true, force: true });
  rmSync(run, { recursive: true, force: true });
}
