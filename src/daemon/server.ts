/** bayd's server on the unix socket: Docker's Engine API, and bay's own routes under /bay/v1. */
import { chmodSync, chownSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Builder, CacheMounts, KeptRepositories, StepStore } from "../build/index.ts";
import type { ContainerManager } from "../container/index.ts";
import { BayError } from "../errors.ts";
import { buildRoutes } from "./bay/build.ts";
import { imageFileRoutes } from "./bay/image-files.ts";
import { bayRoutes } from "./bay/routes.ts";
import { archiveRoutes } from "./engine/archive.ts";
import { engineBuildRoutes } from "./engine/build.ts";
import { buildCacheRoutes } from "./engine/build-cache.ts";
import { containerRoutes } from "./engine/containers.ts";
import { diskRoutes } from "./engine/disk.ts";
import { execRoutes } from "./engine/exec.ts";
import { imageTransferRoutes } from "./engine/image-transfer.ts";
import { imageRoutes } from "./engine/images.ts";
import { streamRoutes } from "./engine/streams.ts";
import { systemRoutes } from "./engine/system.ts";
import { type Call, parseJson, type Route, readBody, sendError } from "./http.ts";
import type { StackService } from "./stacks.ts";

export interface Services {
  manager: ContainerManager;
  stacks: StackService;
  /** The cache of builds, and who makes them; loaded when the first comes. */
  steps: StepStore;
  cacheMounts: CacheMounts;
  repositories: KeptRepositories;
  builder: () => Promise<Builder>;
  /** Ends bayd; containers go on. */
  shutDown: () => void;
}

/** A hijacked call: the socket is the caller's, `head` is what came behind the headers. */
export interface Hijack {
  socket: Duplex;
  upgraded: boolean;
  parts: string[];
  query: URLSearchParams;
  body: Buffer;
}

export interface HijackRoute {
  path: RegExp;
  take: (hijack: Hijack) => Promise<void>;
}

export function createEngineServer(services: Services): Server {
  const routes: Route[] = [
    ...systemRoutes(services),
    ...imageTransferRoutes(services),
    ...imageRoutes(services),
    ...diskRoutes(services),
    ...engineBuildRoutes(services),
    ...buildCacheRoutes(services),
    ...containerRoutes(services),
    ...execRoutes(services),
    ...archiveRoutes(services),
    ...streamRoutes(services).routes,
    ...buildRoutes(services),
    ...imageFileRoutes(services),
    ...bayRoutes(services),
  ];
  const hijacks = streamRoutes(services).hijacks;
  const server = createServer((request, response) => void serve(routes, hijacks, request, response));
  server.on("upgrade", (request, socket, head) => void upgrade(hijacks, request, socket, head));
  server.keepAliveTimeout = 30_000;
  server.requestTimeout = 0;
  return server;
}

function locate(request: IncomingMessage): { path: string; query: URLSearchParams } {
  const url = new URL(request.url ?? "/", "http://bay");
  return { path: url.pathname.replace(/^\/v\d+\.\d+(?=\/)/, ""), query: url.searchParams };
}

const decodeParts = (match: RegExpExecArray) => match.slice(1).map((part) => decodeURIComponent(part ?? ""));

async function serve(
  routes: readonly Route[],
  hijacks: readonly HijackRoute[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { path, query } = locate(request);
  try {
    for (const { path: pattern, take } of hijacks) {
      const match = request.method === "POST" ? pattern.exec(path) : null;
      if (!match) continue;
      const body = await readBody(request);
      const socket = request.socket as Socket;
      return await take({ socket, upgraded: false, parts: decodeParts(match), query, body });
    }
    for (const route of routes) {
      const match = route.method === request.method ? route.path.exec(path) : null;
      if (!match) continue;
      const call: Call = {
        request,
        response,
        parts: decodeParts(match),
        query,
        json: async () => parseJson(await readBody(request)),
      };
      return await route.handle(call);
    }
    throw new BayError("NO_ROUTE", `bay has no ${request.method} ${path}`);
  } catch (error) {
    // a client that still sends would not see the answer
    if (!response.headersSent) await drainRequest(request);
    sendError(response, error);
  }
}

/** Takes what is left of a body. */
function drainRequest(request: IncomingMessage): Promise<void> {
  if (request.complete || request.destroyed) return Promise.resolve();
  request.resume();
  return new Promise((resolve) => request.once("end", resolve).once("close", resolve));
}

/** Node hands over an upgraded request before its body, so the body is read here. */
async function upgrade(
  hijacks: readonly HijackRoute[],
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const { path, query } = locate(request);
  socket.on("error", () => socket.destroy());
  try {
    const length = Math.min(Number(request.headers["content-length"] ?? 0) || 0, 1 << 20);
    let received = head;
    while (received.length < length) received = Buffer.concat([received, await nextChunk(socket)]);
    if (received.length > length) socket.unshift(received.subarray(length));
    for (const { path: pattern, take } of hijacks) {
      const match = pattern.exec(path);
      if (match)
        return await take({
          socket,
          upgraded: true,
          parts: decodeParts(match),
          query,
          body: received.subarray(0, length),
        });
    }
    throw new BayError("NO_ROUTE", `bay has no ${request.method} ${path} to upgrade`);
  } catch (error) {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Socket);
    sendError(response, error);
    response.on("finish", () => socket.end());
  }
}

function nextChunk(socket: Duplex): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    socket.once("readable", () => {
      const chunk = socket.read() as Buffer | null;
      if (chunk) resolve(chunk);
      else reject(new BayError("BAD_REQUEST", "the request ended in its body"));
    });
    socket.once("close", () => reject(new BayError("BAD_REQUEST", "the request ended in its body")));
  });
}

/** Connections that may wait to be accepted; a burst beyond them is refused (EAGAIN). The kernel bounds it by somaxconn. */
const BACKLOG = 4096;

/** Listens on the socket file: root's, mode 0660, and a group's if one is named. */
export function listen(server: Server, path: string, group: string | undefined): Promise<void> {
  rmSync(path, { force: true });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const umask = process.umask(0o177);
    server.listen({ path, backlog: BACKLOG }, () => {
      process.umask(umask);
      if (group) chownSync(path, 0, groupId(group));
      chmodSync(path, 0o660);
      resolve();
    });
  });
}

function groupId(name: string): number {
  const line = readFileSync("/etc/group", "utf8")
    .split("\n")
    .find((row) => row.startsWith(`${name}:`));
  if (!line) throw new BayError("UNKNOWN_GROUP", `the host has no group ${name}`);
  return Number(line.split(":")[2]);
}
