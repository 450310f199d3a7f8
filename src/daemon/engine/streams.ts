/** The streaming routes of the Docker Engine API: logs, attach, exec start, events. */
import type { Duplex } from "node:stream";
import {
  type BayEvent,
  type ContainerManager,
  type ContainerRecord,
  isRunning,
  type LogLine,
} from "../../container/index.ts";
import { messageOf } from "../../errors.ts";
import { type Call, frame, hijack, parseJson, type Route, route, startStream } from "../http.ts";
import type { Hijack, HijackRoute, Services } from "../server.ts";
import { DetachKeys } from "./detach-keys.ts";
import { findExec } from "./exec.ts";
import { parseFilters } from "./filters.ts";
import { sendLog } from "./log-stream.ts";

/** What a client of a terminal may leave untaken. */
const MAX_UNSENT = 4 << 20;

const flag = (value: string | null) => value === "1" || value === "true" || value === "True";

export function streamRoutes({ manager }: Services): { routes: Route[]; hijacks: HijackRoute[] } {
  return {
    routes: [
      route("GET", "/containers/:/logs", (call) => sendLogs(manager, call)),
      route("GET", "/events", (call) => sendEvents(manager, call)),
    ],
    hijacks: [
      { path: /^\/exec\/([^/]+)\/start$/, take: (call) => startExec(manager, call) },
      { path: /^\/containers\/([^/]+)\/attach$/, take: (call) => attach(manager, call) },
    ],
  };
}

/** Seconds with a fraction, or an RFC 3339 time, in milliseconds since the epoch. */
function time(text: string | null): number | undefined {
  if (!text || text === "0") return undefined;
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
}

async function sendLogs(manager: ContainerManager, call: Call): Promise<void> {
  const record = manager.get(call.parts[0]!);
  const { query, response } = call;
  const { tty } = record.config;
  const tail = query.get("tail");
  const wanted = {
    stdout: flag(query.get("stdout")),
    stderr: flag(query.get("stderr")),
    tail: tail === null || tail === "all" || tail === "" ? undefined : Math.max(0, Number(tail) || 0),
    since: time(query.get("since")),
    until: time(query.get("until")),
  };
  const timestamps = flag(query.get("timestamps"));
  response.writeHead(200, {
    "Content-Type": tty ? "application/vnd.docker.raw-stream" : "application/vnd.docker.multiplexed-stream",
  });
  response.flushHeaders();
  const encode = ({ stream, time: at, bytes }: LogLine) => {
    const line = timestamps ? Buffer.concat([Buffer.from(`${new Date(at).toISOString()} `), bytes]) : bytes;
    return tty ? line : frame(stream + 1, line);
  };
  const follows = flag(query.get("follow"));
  const isLive = () => follows && (isRunning(record) || record.state.status === "restarting");
  await sendLog(manager, record, response, { query: wanted, encode, onlyNew: false, isLive });
  response.end();
}

async function startExec(manager: ContainerManager, call: Hijack): Promise<void> {
  const exec = findExec(manager, call.parts[0]!);
  const body = parseJson(call.body) as { Detach?: boolean; ConsoleSize?: [number, number] };
  if (body.Detach) {
    await exec.start();
    call.socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return;
  }
  const { socket } = call;
  const { tty } = exec.config;
  const keys = tty ? new DetachKeys(exec.config.detachKeys) : undefined;
  exec.on("output", (stream: number, bytes: Buffer) => {
    // who went away takes nothing, and must not hold the command up
    if (socket.writable && !socket.write(tty ? bytes : frame(stream, bytes))) exec.pause();
  });
  socket.on("drain", () => exec.resume());
  socket.on("close", () => exec.resume());
  exec.once("end", () => socket.end());
  hijack(socket, call.upgraded, tty);
  try {
    await exec.start();
  } catch (error) {
    // Docker's clients read the message from the stream and the code from inspect
    exec.exitCode = (error as { exitCode?: number }).exitCode ?? 126;
    const text = Buffer.from(`${messageOf(error)}\r\n`);
    socket.end(tty ? text : frame(2, text));
    return;
  }
  feed(
    socket,
    exec.config.attachStdin,
    keys,
    (bytes) => exec.write(bytes),
    () => exec.endInput(),
  );
}

/** Client to command. The half-close of the client's side is the end of its input; the detach keys are not. */
function feed(
  socket: Duplex,
  wanted: boolean,
  keys: DetachKeys | undefined,
  write: (bytes: Buffer) => void,
  end: () => void,
): void {
  let isDetached = false;
  socket.on("data", (bytes: Buffer) => {
    if (!wanted || isDetached) return;
    const { passed, detached } = keys?.take(bytes) ?? { passed: bytes, detached: false };
    if (passed.length > 0) write(passed);
    isDetached = detached;
    if (detached) socket.end();
  });
  socket.on("end", () => wanted && !isDetached && end());
  socket.on("error", () => socket.destroy());
  socket.resume();
}

async function attach(manager: ContainerManager, call: Hijack): Promise<void> {
  const record = manager.get(call.parts[0]!);
  const { socket, query } = call;
  const { tty } = record.config;
  const keys = tty ? new DetachKeys(query.get("detachKeys")) : undefined;
  hijack(socket, call.upgraded, tty);
  let hasEnded = false;
  const isLive = () => !hasEnded && (isRunning(record) || record.state.status === "created");
  const noteEnd = () => {
    hasEnded = true;
  };
  manager.once(`end:${record.id}`, noteEnd);
  feed(
    socket,
    flag(query.get("stdin")),
    keys,
    (bytes) => void manager.writeInput(record.id, bytes),
    () => manager.endInput(record.id),
  );
  if (tty) await showTerminal(manager, record, socket, isLive);
  else {
    const both = query.get("stdout") === null && query.get("stderr") === null;
    const wanted = { stdout: both || flag(query.get("stdout")), stderr: both || flag(query.get("stderr")) };
    const encode = ({ stream, bytes }: LogLine) => frame(stream + 1, bytes);
    const onlyNew = !flag(query.get("logs"));
    await sendLog(manager, record, socket, { query: wanted, encode, onlyNew, isLive });
  }
  manager.off(`end:${record.id}`, noteEnd);
  socket.end();
}

/** Shows a terminal as it is now: a client that does not keep up misses what it did not take. */
function showTerminal(
  manager: ContainerManager,
  record: ContainerRecord,
  socket: Duplex,
  isLive: () => boolean,
): Promise<void> {
  return new Promise((resolve) => {
    const onOutput = (bytes: Buffer) => {
      if (socket.writable && socket.writableLength < MAX_UNSENT) socket.write(bytes);
    };
    const done = () => {
      manager.off(`output:${record.id}`, onOutput);
      manager.off(`end:${record.id}`, done);
      socket.off("close", done);
      resolve();
    };
    manager.on(`output:${record.id}`, onOutput);
    manager.on(`end:${record.id}`, done);
    socket.on("close", done);
    if (!isLive()) done();
  });
}

function sendEvents(manager: ContainerManager, call: Call): void {
  const filters = parseFilters(call.query.get("filters"));
  const write = startStream(call.response);
  const send = (event: BayEvent) => {
    if (matches(event, filters)) write(toDockerEvent(event));
  };
  const since = time(call.query.get("since"));
  if (since !== undefined) for (const event of manager.events.since(since)) send(event);
  const until = time(call.query.get("until"));
  if (until !== undefined && until <= Date.now()) return void call.response.end();
  manager.events.on("event", send);
  const timer = until === undefined ? undefined : setTimeout(() => call.response.end(), until - Date.now());
  call.response.on("close", () => {
    manager.events.off("event", send);
    clearTimeout(timer);
  });
}

function toDockerEvent({ type, action, id, attributes, time: at }: BayEvent) {
  return {
    ...(type === "container" ? { status: action, id, from: attributes.image } : {}),
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    scope: "local",
    time: Math.floor(at / 1000),
    timeNano: at * 1e6,
  };
}

function matches(event: BayEvent, filters: ReadonlyMap<string, string[]>): boolean {
  const tests: Record<string, (value: string) => boolean> = {
    type: (value) => event.type === value,
    event: (value) => event.action === value || event.action.startsWith(`${value}:`),
    container: (value) =>
      event.type === "container" && (event.id.startsWith(value) || event.attributes.name === value),
    label: (value) => {
      const [key = "", wanted] = value.split(/=(.*)/s);
      return key in event.attributes && (wanted === undefined || event.attributes[key] === wanted);
    },
  };
  return [...filters].every(([key, values]) => values.some((value) => tests[key]?.(value) ?? true));
}
