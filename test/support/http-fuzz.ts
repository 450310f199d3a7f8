/** Random, mutated and broken requests against a listener of bayd, each followed by all that a bad client does. */
import type { Socket } from "node:net";
import { parametersOf, ROUTES_WITH_QUERY } from "../../src/daemon/api/engine/parameters.ts";

export interface FuzzTarget {
  /** Begins a connection; TLS is part of it where the listener has TLS. */
  open: (random: Random) => Socket;
  /** Bytes that are sent now and then in place of a request. */
  greetings?: readonly Buffer[];
  /** A container that runs; nothing that is sent may end it. */
  container: string;
}

/** A generator of pseudo-random numbers (mulberry32), so that a run can be repeated by its seed. */
export class Random {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

const METHODS = ["GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "G\tT"];
const VALUES = [
  "",
  "0",
  "1",
  "-1",
  "true",
  "x",
  "99999999999999999999",
  "%",
  "%00",
  "%ff",
  "a%2Fb",
  "%2e%2e%2f",
  "1e9",
  "NaN",
  "sha256:0",
  "{}",
  "[]",
  "null",
  "%7B%22label%22%3A%5B%22a%22%5D%7D",
  "%7B%22nosuch%22%3A%5B%5D%7D",
  "(a%2B)%2B%24",
];
/** Names of parameters, each with its routes' values and others. */
const KEYS = [...new Set(ROUTES_WITH_QUERY.flatMap(parametersOf)), "nosuch"];

/** Parameters that the route of a path has, so that not all requests are refused for a name. */
function keysOf(path: string): readonly string[] {
  const plain = path.replace(/\?.*$/, "");
  const route = ROUTES_WITH_QUERY.find((name) =>
    new RegExp(`^${name.replace(/^\w+ /, "").replaceAll("*", ".+").replaceAll(":", "[^/]+")}$`).test(plain),
  );
  return route ? parametersOf(route) : KEYS;
}

const BODIES = [
  "",
  "{",
  "{}",
  "[]",
  "null",
  "0",
  '"x"',
  '{"Cmd":[]}',
  '{"Cmd":["true"]}',
  '{"Cmd":["nosuch-command"]}',
  '{"Cmd":[1]}',
  '{"Cmd":null}',
  '{"Cmd":["\\u0000"]}',
  '{"Memory":-1}',
  '{"Memory":"x"}',
  '{"PidsLimit":1e99}',
  '{"Detach":1}',
  '{"stack":{}}',
  '{"stack":null}',
  '{"__proto__":{"a":1}}',
  "[".repeat(5000),
  '{"a":'.repeat(500),
];
const HEADERS = [
  "",
  "",
  "Connection: Upgrade\r\nUpgrade: tcp\r\n",
  "Connection: close\r\n",
  "Expect: 100-continue\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: -1\r\n",
  "Content-Length: x\r\n",
  "Content-Length: 99999999999999999999\r\n",
  "Content-Length: 1\r\nContent-Length: 2\r\n",
  "X: \0\r\n",
  " folded\r\n",
  "X-Registry-Auth: !!!\r\n",
  "Range: bytes=1-\r\n",
  "Range: bytes=99999999999999-\r\n",
  "X-Hub-Signature-256: sha256=00\r\nX-GitHub-Event: push\r\n",
  `X-Hub-Signature-256: sha256=${"0".repeat(64)}\r\nX-GitHub-Event: push\r\n`,
  "X-Gitlab-Token: x\r\nX-Gitlab-Event: Push Hook\r\n",
  "X-Gitea-Signature: !\r\n",
  "webhook-id: x\r\nwebhook-timestamp: -1\r\nwebhook-signature: v1,x v1,\r\n",
  `X: ${"a".repeat(70_000)}\r\n`,
  "Upgrade: h2c\r\nConnection: Upgrade\r\n",
];
const PREFIXES = ["", "", "", "/v1.47", "/v1.24", "/v9.9", "/", "http://x", "http://["];

/** Paths that read the running container, and those that change things that do not exist. */
function paths(container: string): string[] {
  const reading = [
    "json",
    "logs",
    "top",
    "stats",
    "archive",
    "changes",
    "exec",
    "update",
    "rename",
    "wait",
    "resize",
    "attach",
  ];
  const changing = ["start", "stop", "restart", "kill", "pause", "unpause", "rename", "update", "json"];
  return [
    ...reading.map((verb) => `/containers/${container}/${verb}`),
    `/containers/${container}/logs?stdout=1&follow=1`,
    `/containers/${container}/attach?stream=1&stdout=1&stdin=1`,
    `/containers/${container}/wait?condition=next-exit`,
    `/containers/${container}/stats?stream=1`,
    ...changing.map((verb) => `/containers/nosuch/${verb}`),
    "/",
    "//",
    "/%",
    "/_ping",
    "/info",
    "/version",
    "/events",
    "/system/df",
    "/containers/json",
    "/images/json",
    "/networks",
    "/volumes",
    "/networks/nosuch",
    "/volumes/nosuch",
    "/images/nosuch/json",
    "/images/nosuch/tag",
    "/containers/create",
    "/containers/prune",
    "/volumes/prune",
    "/networks/prune",
    "/exec/nosuch/start",
    "/exec/nosuch/json",
    "/swarm",
    "/services",
    "/session",
    "/grpc",
    "/images/load",
    "/images/get",
    "/images/create",
    "/build/prune",
    "/commit",
    "/bay/v1/plan",
    "/bay/v1/up",
    "/bay/v1/down",
    "/bay/v1/run",
    "/bay/v1/build",
    "/bay/v1/watch",
    "/bay/v1/watch/nosuch/ready",
    "/bay/v1/watch/containers/nosuch/sync",
    "/bay/v1/stack/build",
    "/bay/v1/stacks",
    "/bay/v1/stacks/nosuch/rollback",
    "/bay/v1/image/nosuch/archive",
    "/containers/nosuch/exec",
    "/networks/create",
    "/networks/nosuch/connect",
    "/networks/nosuch/disconnect",
    "/volumes/create",
    "/bay/v1/hosts",
    "/bay/v1/hosts/nosuch",
    "/bay/v1/hosts/nosuch/label",
    "/bay/v1/hosts/nosuch/renew",
    "/bay/v1/hosts/nosuch/api/containers/json",
    "/bay/v1/hosts/%ff/api/",
    "/bay/v1/host/join",
    "/bay/v1/host/invite",
    "/bay/v1/host/stream",
    "/bay/v1/host/state/nosuch",
    "/bay/v1/host/lock/nosuch",
    "/bay/v1/cluster/plan",
    "/bay/v1/cluster/up",
    "/bay/v1/cluster/down",
    "/bay/v1/gitops",
    "/bay/v1/gitops/nosuch",
    "/bay/v1/gitops/nosuch/log",
    "/bay/v1/gitops/nosuch/sync",
    "/bay/v1/gitops/nosuch/webhook",
    "/bay/v1/gitops/nosuch/notify",
    "/bay/v1/daemon/reload",
    "/bay/v1/volumes/nosuch/backup",
    "/bay/v1/volumes/nosuch/restore",
    "/v2/",
    "/v2/bay/images/manifests/nosuch",
    `/v2/bay/images/manifests/sha256:${"0".repeat(64)}`,
    `/v2/bay/images/blobs/sha256:${"0".repeat(64)}`,
    "/v2/bay/images/blobs/..%2f..%2fetc%2fpasswd",
    "/hooks/fuzz",
    "/hooks/nosuch",
    "/hooks/%2e%2e",
    "/metrics",
  ];
}

/** Of the running container nothing is renamed or limited, as the values might be valid. */
const isHarmful = (line: string, container: string) =>
  (line.includes(`/${container}/rename`) && line.startsWith("POST")) ||
  (line.startsWith("DELETE") && line.includes(container)) ||
  (line.startsWith("PUT") && line.includes(container)) ||
  // would end the listeners that are tested
  /\/bay\/v1\/(host\/(leave|init|rotate)|daemon\/stop|gitops-listener)/.test(line);

function requestText(random: Random, target: FuzzTarget, all: readonly string[]): string {
  const path = random.pick(all);
  const keys = keysOf(path);
  const parameters = Array.from(
    { length: random.below(4) },
    () => `${random.pick(random.below(4) > 0 ? keys : KEYS)}=${random.pick(VALUES)}`,
  );
  const query = parameters.length > 0 ? `${path.includes("?") ? "&" : "?"}${parameters.join("&")}` : "";
  const line = `${random.pick(METHODS)} ${random.pick(PREFIXES)}${path}${query}`;
  if (isHarmful(line, target.container)) return "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n";
  const body = random.pick(BODIES);
  const more = random.pick(HEADERS);
  const length =
    random.below(4) > 0 && !more.includes("Length") ? `Content-Length: ${Buffer.byteLength(body)}\r\n` : "";
  const version = random.pick(["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/x", ""]);
  return `${line} ${version}\r\nHost: x\r\n${more}${length}\r\n${body}`;
}

/** Bytes that are changed, doubled or missing; never so that a harmless line becomes one that stops something. */
function mutate(random: Random, bytes: Buffer): Buffer {
  const result = Buffer.from(bytes);
  const lineEnd = Math.max(1, bytes.indexOf("\r\n"));
  for (let count = random.below(6); count > 0; count--) {
    const at = random.below(Math.max(1, result.length));
    if (at > lineEnd || random.below(4) === 0) result[at] = random.below(256);
  }
  return random.below(4) === 0 ? result.subarray(0, random.below(result.length + 1)) : result;
}

type Manner = "whole" | "cut" | "slow" | "half-closed" | "pipelined" | "garbage" | "leaves in the answer";
const MANNERS: readonly Manner[] = [
  "whole",
  "whole",
  "whole",
  "cut",
  "slow",
  "half-closed",
  "pipelined",
  "garbage",
  "leaves in the answer",
];

/** A client gives up after this long; many requests have no answer. */
const PATIENCE = 300;

async function behave(random: Random, target: FuzzTarget, all: readonly string[]): Promise<void> {
  const manner = random.pick(MANNERS);
  const one = () => {
    const greeting = target.greetings && random.below(2) === 0 ? random.pick(target.greetings) : undefined;
    if (greeting) return mutate(random, greeting);
    const bytes = Buffer.from(requestText(random, target, all), "latin1");
    return random.below(2) === 0 ? mutate(random, bytes) : bytes;
  };
  const bytes =
    manner === "garbage"
      ? random.bytes(random.below(2000))
      : manner === "pipelined"
        ? Buffer.concat(Array.from({ length: 2 + random.below(6) }, one))
        : one();
  const socket = target.open(random);
  socket.on("error", () => {});
  const ready = "encrypted" in socket ? "secureConnect" : "connect";
  await new Promise((resolve) => socket.once(ready, resolve).once("close", resolve));
  if (manner === "slow") await sendSlowly(random, socket, bytes);
  else socket.write(manner === "cut" ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes);
  if (manner === "half-closed") socket.end();
  if (manner === "cut") await new Promise((resolve) => setTimeout(resolve, random.below(5)));
  else await firstAnswer(socket);
  if (!socket.destroyed) socket.destroy();
}

async function sendSlowly(random: Random, socket: Socket, bytes: Buffer): Promise<void> {
  const step = Math.max(1, Math.ceil(bytes.length / 8));
  for (let at = 0; at < bytes.length && !socket.destroyed; at += step) {
    socket.write(bytes.subarray(at, at + step));
    await new Promise((resolve) => setTimeout(resolve, random.below(10)));
  }
}

function firstAnswer(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, PATIENCE);
    function done() {
      clearTimeout(timer);
      resolve();
    }
    socket.once("data", done).once("close", done);
  });
}

const AT_ONCE = 32;

/** Sends `count` requests; gives how many were sent. */
export async function fuzzHttp(target: FuzzTarget, count: number, seed: number): Promise<number> {
  const random = new Random(seed);
  const all = paths(target.container);
  let sent = 0;
  const client = async () => {
    while (sent < count) {
      sent += 1;
      await behave(random, target, all);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, client));
  return sent;
}
