/** The streaming routes of the Docker Engine API: logs, attach, exec start, events. */
import type { Duplex } from "node:stream";
import {
  type BayEvent,
  type ContainerManager,
  isRunning,
  type LogLine,
  LogReader,
  logDirectory,
  selectLines,
} from "../../container/index.ts";
import { messageOf } from "../../errors.ts";
import { type Call, frame, hijack, parseJson, type Route, route, startStream } from "../http.ts";
import type { Hijack, HijackRoute, Services } from "../server.ts";
import { findExec } from "./exec.ts";
import { parseFilters } from "./shapes.ts";

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

function sendLogs(manager: ContainerManager, call: Call): void {
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
  const write = (lines: readonly LogLine[]) => {
    const parts = lines.map(({ stream, time: at, bytes }) => {
      const line = timestamps ? Buffer.concat([Buffer.from(`${new Date(at).toISOString()} `), bytes]) : bytes;
      return tty ? line : frame(stream + 1, line);
    });
    if (parts.length > 0) response.write(Buffer.concat(parts));
  };
  const reader = new LogReader(logDirectory(manager, record.id));
  const isLive = () =>
    flag(query.get("follow")) && (isRunning(record) || record.state.status === "restarting");
  write(selectLines(reader.read(!isLive()), wanted));
  if (!isLive()) return void response.end();
  const follow = { ...wanted, tail: undefined };
  const onGrowth = () => write(selectLines(reader.read(false), follow));
  const onChange = () => {
    if (isLive()) return;
    write(selectLines(reader.read(true), follow));
    response.end();
  };
  manager.logs.on(`grew:${record.id}`, onGrowth);
  manager.on("changed", onChange);
  response.on("close", () => {
    manager.logs.off(`grew:${record.id}`, onGrowth);
    manager.off("changed", onChange);
  });
  onGrowth();
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
  exec.on("output", (stream: number, bytes: Buffer) => socket.write(tty ? bytes : frame(stream, bytes)));
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
    (bytes) => exec.write(bytes),
    () => exec.endInput(),
  );
}

/** Client to command. The half-close of the client's side is the end of its input. */
function feed(socket: Duplex, wanted: boolean, write: (bytes: Buffer) => void, end: () => void): void {
  socket.on("data", (bytes: Buffer) => wanted && write(bytes));
  socket.on("end", () => wanted && end());
  socket.on("error", () => socket.destroy());
  socket.resume();
}

async function attach(manager: ContainerManager, call: Hijack): Promise<void> {
  const record = manager.get(call.parts[0]!);
  const { socket, query } = call;
  const { tty } = record.config;
  hijack(socket, call.upgraded, tty);
  const reader = new LogReader(logDirectory(manager, record.id));
  const wanted = {
    stdout: query.get("stdout") === null || flag(query.get("stdout")),
    stderr: query.get("stderr") === null || flag(query.get("stderr")),
  };
  const past = reader.read(false);
  const send = (lines: readonly LogLine[]) => {
    for (const { stream, bytes } of selectLines(lines, wanted))
      socket.write(tty ? bytes : frame(stream + 1, bytes));
  };
  if (flag(query.get("logs"))) send(past);
  const onOutput = (bytes: Buffer) => socket.write(bytes);
  const onGrowth = () => send(reader.read(false));
  const onEnd = () => {
    if (!tty) send(reader.read(true));
    socket.end();
  };
  if (tty) manager.on(`output:${record.id}`, onOutput);
  else manager.logs.on(`grew:${record.id}`, onGrowth);
  manager.once(`end:${record.id}`, onEnd);
  socket.on("close", () => {
    manager.off(`output:${record.id}`, onOutput);
    manager.logs.off(`grew:${record.id}`, onGrowth);
    manager.off(`end:${record.id}`, onEnd);
  });
  feed(
    socket,
    flag(query.get("stdin")),
    (bytes) => void manager.writeInput(record.id, bytes),
    () => manager.endInput(record.id),
  );
  if (!isRunning(record) && record.state.status !== "created") onEnd();
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
