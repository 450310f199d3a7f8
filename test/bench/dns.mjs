// Questions a second that bayd's DNS server for containers answers, for names of the stack and for names that it passes
// on, beside dnsmasq. bay allows one container 5,000 questions a second after a burst of 5,000, so each run asks 4,000
// questions of each container, which is within the burst, and waits until the burst is full again.
import { execFile, spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { has, median } from "./measure.mjs";

const BAY = resolve("dist/bay.js");
const CLIENT = resolve("test/bench/dns-client.mjs");
const RUNS = Number(process.env.BAY_BENCH_RUNS ?? 5);
const [COUNT, WINDOW, CONTAINERS] = [4000, 64, 4];
const [ABOVE, PEER] = ["127.77.0.53", "127.77.0.54"];
const folder = mkdtempSync("/var/lib/bay-dns-bench-");
const run = mkdtempSync("/run/bay-dns-bench-");
const env = { ...process.env, BAY_ROOT: join(folder, "root"), BAY_RUN: run };
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function bay(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BAY, ...args], {
    env,
    cwd: folder,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`bay ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** A server above: it answers every question with one address at once. */
function serveAbove() {
  const socket = createSocket("udp4");
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
  socket.on("message", (question, peer) => {
    let end = 12;
    while (question[end]) end += question[end] + 1;
    const answer = Buffer.concat([question.subarray(0, end + 5), record]);
    answer.writeUInt16BE(0x8180, 2);
    answer.writeUInt16BE(1, 6);
    answer.fill(0, 8, 12);
    socket.send(answer, peer.port, peer.address);
  });
  return new Promise((done) => socket.bind(53, ABOVE, () => done(socket)));
}

/** Questions a second of clients that ask at once. `enter` is the command before each client's. */
async function rate(clients, server, name) {
  const rates = [];
  let failed = 0;
  for (let index = 0; index < RUNS; index++) {
    const results = await Promise.all(
      clients.map(async (enter) => {
        const [command, ...args] = [
          ...enter,
          process.execPath,
          CLIENT,
          "ask",
          server,
          name,
          COUNT,
          WINDOW,
        ].map(String);
        return JSON.parse((await promisify(execFile)(command, args)).stdout);
      }),
    );
    failed += results.reduce((sum, result) => sum + result.failed, 0);
    rates.push((COUNT * clients.length) / Math.max(...results.map(({ seconds }) => seconds)));
    await wait(1500);
  }
  return `${median(rates).toFixed(0).padStart(7)}/s${failed ? ` (${failed} without an answer)` : ""}`;
}

async function row(name, clients, server) {
  const own = await rate(clients, server, "other");
  const passed = await rate(clients, server, "www.example.com");
  console.log(`${name.padEnd(36)} ${own.padStart(12)} ${passed.padStart(12)}`);
}

mkdirSync(join(folder, "box", "bin"), { recursive: true });
for (const name of ["proc", "sys", "dev", "etc"]) mkdirSync(join(folder, "box", name));
cpSync("/bin/busybox", join(folder, "box", "bin", "busybox"));
for (const name of ["sh", "sleep"]) symlinkSync("busybox", join(folder, "box", "bin", name));
const still = "image: box, command: sleep 100000, stop_grace_period: 0s";
writeFileSync(
  join(folder, "bay.yaml"),
  `name: dnsbench
images: { box: { rootfs: ./box } }
services:
  other: { ${still} }
${Array.from({ length: CONTAINERS }, (_, index) => `  c${index}: { ${still}, dns: ["${ABOVE}"] }\n`).join("")}`,
);
const above = await serveAbove();
try {
  bay("up", "-d");
  const clients = Array.from({ length: CONTAINERS }, (_, index) => {
    const [{ State }] = JSON.parse(bay("inspect", `dnsbench-c${index}-1`));
    return ["nsenter", `--net=/proc/${State.Pid}/ns/net`];
  });
  console.log(`medians of ${RUNS} runs of ${COUNT} questions, ${WINDOW} open    own names  passed on`);
  await row("bay, one container", clients.slice(0, 1), "127.0.0.11");
  await row(`bay, ${CONTAINERS} containers at once`, clients, "127.0.0.11");
  if (has("dnsmasq")) {
    const options = `--keep-in-foreground --no-resolv --no-hosts --conf-file=/dev/null --bind-interfaces --user=root
      --pid-file= --cache-size=0 --dns-forward-max=4096 --listen-address=${PEER} --server=${ABOVE} --host-record=other,192.0.2.2`;
    const peer = spawn("dnsmasq", options.split(/\s+/), { stdio: "inherit" });
    await wait(500);
    try {
      await row("dnsmasq, one client", [["env"]], PEER);
      await row(
        `dnsmasq, ${CONTAINERS} clients at once`,
        clients.map(() => ["env"]),
        PEER,
      );
    } finally {
      peer.kill();
    }
  } else console.log("dnsmasq                              not installed (Debian: dnsmasq-base)");
} finally {
  above.close();
  bay("down", "-t", "0");
  bay("daemon", "stop");
  rmSync(folder, { recursive: true, force: true });
  rmSync(run, { recursive: true, force: true });
}
