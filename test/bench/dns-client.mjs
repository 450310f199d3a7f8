// A DNS client for the benches, run inside a container's network namespace by nsenter.
//   node dns-client.mjs ask SERVER NAME COUNT WINDOW   asks COUNT questions, WINDOW at a time; prints the seconds
//   node dns-client.mjs time SERVER NAME SECONDS       one question after the other; prints median, p99, max in ms and
//                                                      how many had no answer within a second
//   node dns-client.mjs flood SERVER SECONDS           sends malformed and well-formed packets as fast as it can;
//                                                      prints how many
import { createSocket } from "node:dgram";

const [mode, server, ...rest] = process.argv.slice(2);

function questionFor(name, id) {
  const labels = name
    .split(".")
    .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  const head = Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, ...labels, Buffer.from([0, 0, 1, 0, 1])]);
}

const socket = createSocket("udp4");
socket.on("error", () => {});
const waiting = new Map();
let lastId = 0;
socket.on("message", (answer) => waiting.get(answer.readUInt16BE(0))?.(answer));

/** True with an answer that has a record, false after a second. */
function ask(name) {
  lastId = (lastId + 1) % 0x10000;
  const id = lastId;
  return new Promise((done) => {
    const finish = (answer) => {
      clearTimeout(timer);
      waiting.delete(id);
      done(answer !== undefined && answer.readUInt16BE(6) > 0);
    };
    const timer = setTimeout(finish, 1000);
    waiting.set(id, finish);
    socket.send(questionFor(name, id), 53, server);
  });
}

if (mode === "ask") {
  const [name, count, window] = [rest[0], Number(rest[1]), Number(rest[2])];
  let left = count;
  let failed = 0;
  const began = performance.now();
  const lane = async () => {
    while (left-- > 0) if (!(await ask(name))) failed += 1;
  };
  await Promise.all(Array.from({ length: window }, lane));
  console.log(JSON.stringify({ seconds: (performance.now() - began) / 1000, failed }));
} else if (mode === "time") {
  const end = performance.now() + Number(rest[1]) * 1000;
  const times = [];
  let failed = 0;
  while (performance.now() < end) {
    const began = performance.now();
    if (!(await ask(rest[0]))) failed += 1;
    times.push(performance.now() - began);
    await new Promise((done) => setTimeout(done, 5));
  }
  times.sort((a, b) => a - b);
  const at = (part) => times[Math.min(times.length - 1, Math.floor(times.length * part))];
  console.log(
    JSON.stringify({ median: at(0.5), p99: at(0.99), max: times.at(-1), failed, asked: times.length }),
  );
} else {
  const packets = [
    questionFor("other", 1),
    questionFor("nothing.example", 2),
    Buffer.alloc(31, 0xc0), // pointers to themselves
    Buffer.concat([questionFor("other", 3).subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]),
    Buffer.concat([Buffer.from([0, 4, 1, 0, 255, 255, 255, 255, 255, 255, 255, 255]), Buffer.alloc(500, 1)]),
    Buffer.alloc(3),
  ];
  let sent = 0;
  const end = performance.now() + Number(rest[0]) * 1000;
  while (performance.now() < end) {
    const batch = Array.from({ length: 100 }, () => {
      const packet = packets[sent++ % packets.length];
      return new Promise((done) => socket.send(packet, 53, server, done));
    });
    await Promise.all(batch);
  }
  console.log(JSON.stringify({ sent }));
}
socket.close();
