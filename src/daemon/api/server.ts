/** bayd's server: Docker's Engine API, and bay's own routes under /bay/v1. */

import { chmodSync, chownSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Builder, CacheMounts, KeptRepositories, StepStore } from "../../build/index.ts";
import type { ContainerManager } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Cluster } from "../../host/index.ts";
import type { ClusterStacks } from "../cluster/cluster-stacks.ts";
import { Elsewhere } from "../cluster/elsewhere.ts";
import type { Reloaded } from "../process/settings.ts";
import { groupId } from "../process/socket-group.ts";
import type { StackService } from "../stacks/stack-service.ts";
import { buildRoutes } from "./bay/build.ts";
import { clusterRoutes } from "./bay/cluster.ts";
import { distributionRoutes } from "./bay/distribution.ts";
import { hostRoutes } from "./bay/hosts.ts";
import { imageFileRoutes } from "./bay/image-files.ts";
import { bayRoutes } from "./bay/routes.ts";
import { volumeRoutes } from "./bay/volumes.ts";
import { watchRoutes } from "./bay/watch.ts";
import { closeWithSocket, endSocket, isTaken, openOn, watchClient, whenOver } from "./connections.ts";
import { archiveRoutes } from "./engine/archive.ts";
import { engineBuildRoutes } from "./engine/build.ts";
import { buildCacheRoutes } from "./engine/build-cache.ts";
import { containerRoutes } from "./engine/containers.ts";
import { createRoutes } from "./engine/create/routes.ts";
import { diskRoutes } from "./engine/disk.ts";
import { execRoutes } from "./engine/exec.ts";
import { imageTransferRoutes } from "./engine/image-transfer.ts";
import { imageRoutes } from "./engine/images.ts";
import { checkQuery } from "./engine/parameters.ts";
import { registryRoutes } from "./engine/registry.ts";
import { streamRoutes } from "./engine/streams.ts";
import { systemRoutes } from "./engine/system.ts";
import { guarded } from "./guard.ts";
import { type Route, sendError } from "./http.ts";
import { checkPeer } from "./peers.ts";
import { rawAnswer } from "./raw-answer.ts";
import { parseJson, parseWith, readBody } from "./request-body.ts";
import { inOrder } from "./request-order.ts";
import { type HijackRoute, locate, noRoute, RouteTable } from "./routing.ts";

export interface Services {
  manager: ContainerManager;
  stacks: StackService;
  /** The build cache and the builder; loaded at the first build. */
  steps: StepStore;
  cacheMounts: CacheMounts;
  repositories: KeptRepositories;
  builder: () => Promise<Builder>;
  cluster: Cluster;
  clusterStacks: ClusterStacks;
  /** Reads daemon.json again. Throws BAD_SETTINGS, BAD_CERTIFICATE; then nothing has changed. */
  reload: () => Promise<Reloaded>;
  /** Stops bayd; containers keep running. */
  shutDown: () => void;
  /** Routes of higher rooms. */
  more?: readonly Route[];
}

/** All routes, Docker's and bay's own. */
export function routesOf(services: Services): { routes: Route[]; hijacks: HijackRoute[] } {
  const { routes: streams, hijacks } = streamRoutes(services);
  const routes = [
    ...systemRoutes(services),
    ...imageTransferRoutes(services),
    ...imageRoutes(services),
    ...registryRoutes(),
    ...diskRoutes(services),
    ...engineBuildRoutes(services),
    ...buildCacheRoutes(services),
    ...containerRoutes(services),
    ...createRoutes(services),
    ...execRoutes(services),
    ...archiveRoutes(services),
    ...streams,
    ...buildRoutes(services),
    ...imageFileRoutes(services),
    ...volumeRoutes(services),
    ...watchRoutes(services),
    ...(services.more ?? []),
    ...bayRoutes(services),
    ...hostRoutes(services),
    ...clusterRoutes(services),
    ...distributionRoutes(services),
  ];
  return { routes, hijacks };
}

export function createEngineServer(services: Services): Server {
  const { routes, hijacks } = routesOf(services);
  const table = new RouteTable(routes, hijacks);
  const server = createServer({
    maxHeaderSize: LIMITS.request.headers,
    headersTimeout: LIMITS.request.headerTime,
    keepAliveTimeout: LIMITS.request.idleTime,
    requestTimeout: 0, // no limit, because archives may take long
    connectionsCheckingInterval: 5000,
  });
  server.maxConnections = maxConnections();
  const elsewhere = new Elsewhere(services.cluster, (id) => services.manager.records.find(id) !== undefined);
  server.on("request", (request, response) => {
    request.on("error", ignore);
    response.on("error", ignore);
    closeWithSocket(request.socket, response);
    inOrder(request.socket, response, () => serve(table, elsewhere, request, response));
  });
  server.on("upgrade", (request, socket, head) => upgrade(table, elsewhere, request, socket, head));
  return server;
}

const titleOf = ({ method, url }: IncomingMessage) => `${method} ${url}`;

/** Serves one request. An error in it, at any time, ends only this request. */
function serve(
  table: RouteTable,
  elsewhere: Elsewhere,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const fail = (error: unknown) => void answerError(request, response, error);
  const over = (done: () => void) => whenOver(request.socket, response, done);
  guarded(titleOf(request), fail, over, async () => {
    checkPeer(request);
    if (await elsewhere.serve(request, response)) return;
    const { path, query } = locate(request.url ?? "");
    const hijacked = table.findHijack(request.method, path);
    if (hijacked) {
      checkQuery(hijacked.name, query);
      const body = await readBody(request);
      // another pipelined request has its response on the same connection
      if (openOn(request.socket) > 1) request.socket.destroy();
      if (request.socket.destroyed) return;
      return await hijacked.take({ request, socket: request.socket, upgraded: false, query, body });
    }
    const { route, parts } = table.find(request.method ?? "", path);
    checkQuery(route.name, query);
    await route.handle({
      request,
      response,
      parts,
      query,
      body: async (schema) => parseWith(schema, parseJson(await readBody(request))),
      ownBody: async (schema) => schema.parse(parseJson(await readBody(request, LIMITS.request.stackBody))),
    });
  });
}

const ignore = () => {};

async function answerError(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
): Promise<void> {
  if (isTaken(request.socket)) return endSocket(request.socket);
  if (response.destroyed) return;
  // a client that is still sending may not read the response before it has sent all
  const isLeft = !response.headersSent && !(await drained(request));
  if (isLeft || !response.shouldKeepAlive) response.once("finish", () => endSocket(request.socket));
  // otherwise Node closes the connection at once, and the client may see a broken pipe instead of the response
  if (isLeft) response.shouldKeepAlive = true;
  sendError(response, error);
}

const MAX_DRAINED = LIMITS.request.drained;
const DRAIN_TIME = 10_000;

/** Reads the rest of a body, up to a limit. Resolves with false if there is more. */
function drained(request: IncomingMessage): Promise<boolean> {
  if (request.complete || request.destroyed) return Promise.resolve(true);
  return new Promise((resolve) => {
    let size = 0;
    const timer = setTimeout(() => done(false), DRAIN_TIME);
    const done = (isWhole: boolean) => {
      clearTimeout(timer);
      request.off("data", count);
      if (!isWhole) request.pause();
      resolve(isWhole);
    };
    const count = (part: Buffer) => {
      size += part.length;
      if (size > MAX_DRAINED) done(false);
    };
    request.on("data", count);
    request.once("end", () => done(true)).once("close", () => done(true));
    request.resume();
  });
}

/** Node emits an upgraded request before its body, so the body is read here. */
function upgrade(
  table: RouteTable,
  elsewhere: Elsewhere,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  socket.on("error", () => socket.destroy());
  // an earlier request has its response on the same connection
  if (openOn(socket) > 0) return void socket.destroy();
  const release = watchClient(socket);
  if (socket.closed) release();
  else socket.once("close", release);
  const fail = (error: unknown) => {
    if (!isTaken(socket) && !socket.destroyed) socket.write(rawAnswer(error));
    endSocket(socket);
  };
  const over = (done: () => void) => (socket.closed ? setImmediate(done) : socket.once("close", done));
  guarded(`${titleOf(request)} (upgrade)`, fail, over, async () => {
    checkPeer(request);
    if (elsewhere.concerns(request)) {
      const body = await readUpgradeBody(request, socket, head);
      return await elsewhere.serveUpgrade(request, { socket, body });
    }
    const { path, query } = locate(request.url ?? "");
    const hijacked = table.findHijack(request.method, path);
    if (!hijacked) throw noRoute(request.method ?? "", path);
    checkQuery(hijacked.name, query);
    const body = await readUpgradeBody(request, socket, head);
    if (socket.destroyed) return;
    await hijacked.take({ request, socket, upgraded: true, query, body });
  });
}

/** Throws BAD_REQUEST, BODY_TOO_LARGE, BODY_TOO_SLOW. */
async function readUpgradeBody(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<Buffer> {
  if (request.headers["transfer-encoding"] !== undefined)
    throw new BayError("BAD_REQUEST", "an upgrade request needs a Content-Length");
  const length = Number(request.headers["content-length"] ?? 0);
  if (!Number.isSafeInteger(length) || length < 0)
    throw new BayError("BAD_REQUEST", "invalid Content-Length");
  if (length > LIMITS.request.body)
    throw new BayError("BODY_TOO_LARGE", `the body is larger than ${LIMITS.request.body} bytes`);
  const parts = [head];
  let size = head.length;
  const end = Date.now() + LIMITS.request.bodyTime;
  while (size < length) {
    const part = await nextChunk(socket, end - Date.now());
    parts.push(part);
    size += part.length;
  }
  const received = Buffer.concat(parts);
  if (size > length) socket.unshift(received.subarray(length));
  return received.subarray(0, length);
}

function nextChunk(socket: Duplex, milliseconds: number): Promise<Buffer> {
  const waiting = socket.read() as Buffer | null;
  if (waiting) return Promise.resolve(waiting);
  return new Promise((resolve, reject) => {
    const cut = () => finish(new BayError("BAD_REQUEST", "the connection closed before the end of the body"));
    const late = () => finish(new BayError("BODY_TOO_SLOW", "the body did not arrive in time"));
    const timer = setTimeout(late, Math.max(0, milliseconds));
    const readable = () => {
      const chunk = socket.read() as Buffer | null;
      if (chunk) finish(chunk);
    };
    const finish = (result: Buffer | BayError) => {
      clearTimeout(timer);
      socket.off("readable", readable).off("end", cut).off("close", cut);
      if (result instanceof BayError) reject(result);
      else resolve(result);
    };
    socket.on("readable", readable).on("end", cut).on("close", cut);
    if (socket.destroyed || socket.readableEnded) cut();
  });
}

const [LEAST_CONNECTIONS, MOST_CONNECTIONS] = [64, 4096];

/** A part of the descriptors that bayd may open, so that containers can be started whatever clients do. */
export function maxConnections(): number {
  const limit = Number(
    /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1] ?? 1024,
  );
  return Math.min(MOST_CONNECTIONS, Math.max(LEAST_CONNECTIONS, Math.floor(limit / 2)));
}

/** The most connections that wait to be accepted; more are refused (EAGAIN). The kernel limits it by somaxconn. */
const BACKLOG = 4096;

/** Listens on the socket file, which belongs to root with mode 0660, and to the named group. */
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
