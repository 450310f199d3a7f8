/** The streaming routes of the Docker Engine API: logs, attach, exec start, events. */

import type { Duplex } from "node:stream";
import {
  type ContainerManager,
  type ContainerRecord,
  isRunning,
  type LogLine,
} from "../../../container/index.ts";
import { BayError, messageOf } from "../../../core/errors.ts";
import { LIMITS } from "../../../core/limits.ts";
import { endSocket } from "../connections.ts";
import { type Call, frame, hijack, type Route, route, whenClosed } from "../http.ts";
import { parseJson, parseWith } from "../request-body.ts";
import type { Hijack, HijackRoute } from "../routing.ts";
import type { Services } from "../server.ts";
import { DetachKeys } from "./detach-keys.ts";
import { sendEvents } from "./event-stream.ts";
import { findExec, publishExec, startBody } from "./exec.ts";
import { sendLog } from "./log-stream.ts";
import { parameters } from "./parameters.ts";

/** The most unsent bytes of a client of a terminal. */
const MAX_UNSENT = LIMITS.request.unsentOutput;

export function streamRoutes({ manager }: Services): { routes: Route[]; hijacks: HijackRoute[] } {
  return {
    routes: [
      route("GET", "/containers/:/logs", (call) => sendLogs(manager, call)),
      route("GET", "/events", (call) => sendEvents(manager, call)),
    ],
    hijacks: [
      {
        name: "POST /exec/:/start",
        path: /^\/exec\/([^/]+)\/start$/,
        take: (call) => startExec(manager, call),
      },
      {
        name: "POST /containers/:/attach",
        path: /^\/containers\/([^/]+)\/attach$/,
        take: (call) => attach(manager, call),
      },
      {
        name: "GET /containers/:/attach/ws",
        path: /^\/containers\/([^/]+)\/attach\/ws$/,
        take: (call) => attachWebSocket(manager, call),
      },
    ],
  };
}

/** `all`, or a number of lines; a negative one counts as all, as in Docker. */
const tailOf = (tail: "all" | number | undefined): number | undefined =>
  tail === undefined || tail === "all" || tail < 0 ? undefined : tail;

async function sendLogs(manager: ContainerManager, call: Call): Promise<void> {
  const record = manager.get(call.parts[0]!);
  const { query, response } = call;
  const { tty } = record.config;
  const { stdout, stderr, timestamps, follow, chunks, restarts, tail, since, until } = parameters(
    "GET /containers/:/logs",
    query,
  );
  if (!stdout && !stderr)
    throw new BayError("BAD_REQUEST", "Bad parameters: you must choose at least one stream");
  const wanted = { stdout, stderr, tail: tailOf(tail), since, until };
  response.writeHead(200, {
    "Content-Type": tty ? "application/vnd.docker.raw-stream" : "application/vnd.docker.multiplexed-stream",
  });
  response.flushHeaders();
  const encode = ({ stream, time: at, bytes }: LogLine) => {
    const lines = timestamps ? prefixLines(`${new Date(at).toISOString()} `, bytes) : bytes;
    return tty ? lines : frame(stream + 1, lines);
  };
  const isUp = () => isRunning(record) || record.state.status === "restarting";
  const isLive = () => follow && (restarts ? manager.find(record.id) !== undefined : isUp());
  const isByTime = timestamps || wanted.since !== undefined || wanted.until !== undefined;
  const unit = !tty && !chunks ? "line" : isByTime ? "write" : "chunk";
  await sendLog(manager, record, response, { query: wanted, encode, onlyNew: false, unit, isLive, isUp });
  response.end();
}

/** Adds the prefix to lines as bytes: a container's output may not be UTF-8. */
function prefixLines(prefix: string, bytes: Buffer): Buffer {
  const text = bytes.toString("latin1");
  const end = text.endsWith("\n") ? "\n" : "";
  const lines = end === "" ? text : text.slice(0, -1);
  return Buffer.from(`${prefix}${lines.replaceAll("\n", `\n${prefix}`)}${end}`, "latin1");
}

async function startExec(manager: ContainerManager, call: Hijack): Promise<void> {
  const exec = findExec(manager, call.parts[0]!);
  const body = parseWith(startBody, parseJson(call.body));
  exec.checkFresh();
  publishExec(manager, exec, "exec_start");
  if (body.Detach) {
    await exec.start();
    call.socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    endSocket(call.socket);
    return;
  }
  const { socket } = call;
  const { tty } = exec.config;
  const keys = tty ? new DetachKeys(exec.config.detachKeys) : undefined;
  exec.on("output", (stream: number, bytes: Buffer) => {
    // a client that disconnected reads nothing, and must not block the command
    if (socket.writable && !socket.write(tty ? bytes : frame(stream, bytes))) exec.pause();
  });
  socket.on("drain", () => exec.resume());
  whenClosed(socket, () => exec.resume());
  exec.once("end", () => endSocket(socket));
  hijack(socket, call.upgraded, tty);
  try {
    await exec.start();
  } catch (error) {
    // Docker's clients read the message from the stream and the code from inspect
    exec.exitCode = (error as { exitCode?: number }).exitCode ?? 126;
    const words = Buffer.from(`${messageOf(error)}\r\n`);
    if (socket.writable) socket.write(tty ? words : frame(2, words));
    endSocket(socket);
    return;
  }
  feed(socket, exec.config.attachStdin, keys, {
    write: (bytes) => exec.write(bytes),
    end: () => exec.endInput(),
    waiting: () => exec.waiting,
  });
}

/** The target of a client's input. */
interface Input {
  write: (bytes: Buffer) => void;
  end: () => void;
  /** Bytes that the command has not read yet. */
  waiting: () => number;
  /** The client typed the keys that detach it. */
  detached?: () => void;
}

/** The most bytes of input that wait for a command that does not read; the client has to wait with the rest. */
const MAX_WAITING = LIMITS.request.unreadInput;
const LOOK_AGAIN = 50;

/**
 * Passes input from the client to the command. A half-closed or interrupted connection ends the input; the detach keys do
 * not.
 */
function feed(socket: Duplex, wanted: boolean, keys: DetachKeys | undefined, input: Input): void {
  let isDetached = false;
  const goOnWithRoom = () => {
    if (socket.destroyed) return;
    if (input.waiting() > MAX_WAITING) setTimeout(goOnWithRoom, LOOK_AGAIN).unref();
    else socket.resume();
  };
  socket.on("data", (bytes: Buffer) => {
    if (!wanted || isDetached) return;
    const { passed, detached } = keys?.take(bytes) ?? { passed: bytes, detached: false };
    if (passed.length > 0) input.write(passed);
    isDetached = detached;
    if (detached) {
      input.detached?.();
      endSocket(socket);
    } else if (input.waiting() > MAX_WAITING) {
      socket.pause();
      goOnWithRoom();
    }
  });
  let hasEnded = false;
  const over = () => {
    if (wanted && !isDetached && !hasEnded) input.end();
    hasEnded = true;
  };
  socket.on("end", over);
  // a client that is killed with unread output causes an error and no end event (unix(7), ECONNRESET)
  whenClosed(socket, over);
  socket.on("error", () => socket.destroy());
  socket.resume();
}

async function attach(manager: ContainerManager, call: Hijack): Promise<void> {
  const record = manager.get(call.parts[0]!);
  const given = parameters("POST /containers/:/attach", call.query);
  const keys = record.config.tty ? new DetachKeys(given.detachKeys) : undefined;
  hijack(call.socket, call.upgraded, record.config.tty);
  const both = !call.query.has("stdout") && !call.query.has("stderr");
  const isFramed = !record.config.tty;
  await join(manager, record, call.socket, {
    ...given,
    stdout: both || given.stdout,
    stderr: both || given.stderr,
    keys,
    isFramed,
  });
}

/** Attaches over a WebSocket, whose messages have the bytes of the streams without frames, as in Docker. */
async function attachWebSocket(manager: ContainerManager, call: Hijack): Promise<void> {
  const record = manager.get(call.parts[0]!);
  const given = parameters("GET /containers/:/attach/ws", call.query);
  const keys = record.config.tty ? new DetachKeys(given.detachKeys) : undefined;
  const { acceptWebSocket } = await import("./web-socket.ts");
  const socket = await acceptWebSocket(call);
  // Docker attaches the streams that are named; without a name there are none
  await join(manager, record, socket, { ...given, keys, isFramed: false });
}

/** What a client attaches to. */
interface Attachment {
  logs: boolean;
  stream: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  keys: DetachKeys | undefined;
  /** Whether output is sent in Docker's multiplexed frames. */
  isFramed: boolean;
}

/** Connects a client with the streams of a container, until one of them ends. */
async function join(
  manager: ContainerManager,
  record: ContainerRecord,
  socket: Duplex,
  given: Attachment,
): Promise<void> {
  const { tty } = record.config;
  const { keys, isFramed } = given;
  manager.events.ofContainer(record, "attach");
  let hasEnded = false;
  const isLive = () =>
    !hasEnded &&
    manager.find(record.id) !== undefined &&
    (isRunning(record) || record.state.status === "created");
  const noteEnd = () => {
    hasEnded = true;
  };
  manager.once(`end:${record.id}`, noteEnd);
  feed(socket, given.stdin && given.stream, keys, {
    write: (bytes) => void (manager.find(record.id) && manager.sessions.writeInput(record, bytes)),
    // the next run of the container has its own input
    end: () => void (manager.find(record.id) && isLive() && manager.sessions.endInput(record)),
    waiting: () => manager.sessions.inputWaiting(record.id),
    detached: () => manager.events.ofContainer(record, "detach"),
  });
  const wanted = { stdout: given.stdout, stderr: given.stderr };
  const encode = ({ stream, bytes }: LogLine) => (isFramed ? frame(stream + 1, bytes) : bytes);
  const send = (isWhole: boolean, goesOn: () => boolean) =>
    // as in Docker, a frame of attach is what was written, and not a line
    sendLog(manager, record, socket, {
      query: wanted,
      encode,
      onlyNew: !isWhole,
      unit: "chunk",
      isLive: goesOn,
    });
  try {
    if (tty || !given.stream) {
      if (given.logs) await send(true, () => false);
      if (given.stream) await showTerminal(manager, record, socket, isLive);
    } else await send(given.logs, isLive);
  } finally {
    manager.off(`end:${record.id}`, noteEnd);
    endSocket(socket);
  }
}

/** Sends a terminal's output from now on: a client that is too slow misses some of it. */
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
    if (!isLive() || socket.destroyed) done();
  });
}
