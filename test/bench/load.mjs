// bayd under load: API latency while containers flood logs, execs storm, connections idle and events rush. Prints one
// row for each load with the percentiles of GET /containers/json and GET /_ping, bayd's memory, descriptors and the
// delay of its event loop as a client sees it (the longest answer of /_ping, which does no work).
import { spawnSync } from "node:child_process";
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

const BAY = resolve("dist/bay.js");
const SECONDS = Number(process.env.BAY_BENCH_SECONDS ?? 8);
const LIMIT_MS = 500;
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
async function measure(name, pid) {
  const times = { list: [], ping: [] };
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
  for (const values of Object.values(times)) values.sort((a, b) => a - b);
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
  const row = (values) => [0.5, 0.99, 1].map((part) => at(values, part).toFixed(1).padStart(7)).join(" ");
  const slowest = Math.max(times.list.at(-1), times.ping.at(-1));
  const verdict = slowest <= LIMIT_MS ? "" : `  over ${LIMIT_MS} ms`;
  const files = readdirSync(`/proc/${pid}/fd`).length;
  console.log(
    `${name.padEnd(24)} ${row(times.list)}  ${row(times.ping)}  ${rss.toFixed(0).padStart(5)} MB ${String(files).padStart(5)}${verdict}`,
  );
}

const loads = {
  idle: async () => () => {},
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
  "events to 200 followers": async () => {
    const sent = Array.from({ length: 200 }, () => {
      const one = request({ socketPath, path: "/events" }, (response) => response.resume());
      one.on("error", () => {});
      one.end();
      return one;
    });
    let isOn = true;
    const renames = (async () => {
      for (let index = 0; isOn; index++)
        await call("POST", `/containers/load-still-1/${index % 2 ? "unpause" : "pause"}`);
      await call("POST", "/containers/load-still-1/unpause").catch(() => {});
    })();
    return async () => {
      isOn = false;
      await renames;
      for (const one of sent) one.destroy();
    };
  },
};

mkdirSync(join(folder, "box", "bin"), { recursive: true });
for (const name of ["proc", "sys", "dev", "etc"]) mkdirSync(join(folder, "box", name));
cpSync("/bin/busybox", join(folder, "box", "bin", "busybox"));
for (const name of ["sh", "sleep", "true", "yes"]) symlinkSync("busybox", join(folder, "box", "bin", name));
writeFileSync(
  join(folder, "bay.yaml"),
  `name: load
images: { box: { rootfs: ./box } }
services:
  still: { image: box, command: sleep 100000, stop_grace_period: 0s }
  flood: { image: box, command: "sh -c 'yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", stop_grace_period: 0s }
`,
);
try {
  bay("up", "-d", "still");
  bay("create", "flood");
  const pid = Number(readFileSync(join(run, "bayd.pid"), "utf8"));
  console.log("load                      list ms: median p99 max   ping ms: median p99 max    memory  files");
  for (const [name, begin] of Object.entries(loads)) {
    const end = await begin();
    await measure(name, pid);
    await end();
  }
} finally {
  agent.destroy();
  bay("down", "-t", "0");
  bay("daemon", "stop");
  rmSync(folder, { recursive: true, force: true });
  rmSync(run, { recursive: true, force: true });
}
