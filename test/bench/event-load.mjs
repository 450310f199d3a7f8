// The load of the events row, in a process of its own so that it does not delay what load.mjs times.
//   node event-load.mjs SOCKET CONTAINER FOLLOWERS RATE
// Follows the event stream FOLLOWERS times and sends RATE signals a second that the container ignores; each is one
// event "kill". The requests are pipelined, because one after the other they take this process longer than bayd. At
// SIGTERM it prints how many were answered, and what the followers received.
import { request } from "node:http";
import { connect } from "node:net";

const [socketPath, container, followers, rate] = process.argv.slice(2);
const [CONNECTIONS, TICK, MOST_OPEN] = [4, 10, 150];
let isOn = true;
let [answered, refused, cut] = [0, 0, 0];
const received = Array.from({ length: Number(followers) }, () => 0);

const streams = received.map((_, index) => {
  const stream = request({ socketPath, path: "/events" }, (response) => {
    response.on("data", (part) => {
      received[index] += part.length;
    });
    response.on("close", () => {
      if (isOn) cut += 1;
    });
  });
  stream.on("error", () => {});
  stream.end();
  return stream;
});

const signal = `POST /containers/${container}/kill?signal=WINCH HTTP/1.1\r\nHost: bay\r\nContent-Length: 0\r\n\r\n`;

/** One connection, which sends its part of the rate, but has no more than so many requests open. */
function lane() {
  const socket = connect(socketPath);
  const began = performance.now();
  let [sent, done] = [0, 0];
  let rest = "";
  socket.setEncoding("latin1").on("data", (part) => {
    const answers = (rest + part).split("HTTP/1.1 ");
    // the last may be cut anywhere, so it counts with what comes next
    rest = `HTTP/1.1 ${answers.pop()}`;
    for (const answer of answers) {
      if (answer === "") continue;
      done += 1;
      if (answer.startsWith("204")) answered += 1;
      else refused += 1;
    }
  });
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - began) / 1000) * (Number(rate) / CONNECTIONS)) - sent;
    const count = Math.min(due, MOST_OPEN - (sent - done));
    if (count <= 0) return;
    sent += count;
    socket.write(signal.repeat(count));
  }, TICK);
  return () => {
    clearInterval(timer);
    socket.destroy();
  };
}

await new Promise((done) => setTimeout(done, 500)); // every follower is there
const began = performance.now();
const lanes = Array.from({ length: CONNECTIONS }, lane);

process.once("SIGTERM", async () => {
  const seconds = (performance.now() - began) / 1000;
  const events = Math.round(answered / seconds);
  for (const end of lanes) end();
  await new Promise((done) => setTimeout(done, 1000));
  isOn = false;
  const [least, most] = [Math.min(...received), Math.max(...received)];
  console.log(JSON.stringify({ events, refused, cut, least, most }));
  for (const stream of streams) stream.destroy();
});
