/**
 * Every operation of Docker's published API reference (version 1.45), in its order: what bay does with it, a request that shows it,
 * and the shape of the answer. docs/engine-api.md is written from it.
 */
import { execFileSync } from "node:child_process";
import type { EngineRoom } from "./engine-room.ts";
import type { ShapeName } from "./engine-shapes.ts";

export interface ExampleRequest {
  path: string;
  body?: unknown;
}

export interface Operation {
  /** Such as `GET /containers/{id}/json`. */
  name: string;
  group: string;
  /** Undefined for an operation that bay serves; else how it answers. */
  refused?: "swarm" | "plugins" | "unsupported";
  status: number;
  shape?: ShapeName;
  request: (room: EngineRoom) => Promise<ExampleRequest> | ExampleRequest;
  /** Whether the request upgrades the connection. */
  upgrade?: "tcp" | "websocket";
  /** A request with an ID that does not exist is answered by 404. */
  hasId: boolean;
  /** A body of JSON that has a wrong type. */
  badBody?: unknown;
}

let group = "";
const all: Operation[] = [];

type Rest = Partial<Pick<Operation, "shape" | "upgrade" | "badBody" | "hasId">>;

function op(name: string, status: number, request: Operation["request"] | string, rest: Rest = {}): void {
  const hasId = rest.hasId ?? /\{(id|name)\}/.test(name);
  const make = typeof request === "string" ? () => ({ path: request }) : request;
  all.push({ ...rest, name, group, status, request: make, hasId });
}

function refused(kind: NonNullable<Operation["refused"]>, status: number, ...names: string[]): void {
  for (const name of names) {
    const path = name.split(" ")[1]!.replace(/\{\w+\}/g, "nosuch");
    const request = () => ({ path });
    all.push({ name, group, refused: kind, status, request, hasId: false });
  }
}

const at =
  (path: (id: string) => string, make: (room: EngineRoom) => Promise<string>) =>
  async (room: EngineRoom) => ({
    path: path(await make(room)),
  });
const running = (path: (id: string) => string) => at(path, (room) => room.running());
const created = (path: (id: string) => string) => at(path, (room) => room.created());
const stopped = (path: (id: string) => string) => at(path, (room) => room.exited());

group = "Containers";
op("GET /containers/json", 200, "/containers/json?all=1&size=1", { shape: "containers" });
op(
  "POST /containers/create",
  201,
  () => ({ path: "/containers/create?name=made", body: { Image: "box", Cmd: ["true"] } }),
  {
    shape: "created",
    badBody: { Image: 1 },
  },
);
op(
  "GET /containers/{id}/json",
  200,
  running((id) => `/containers/${id}/json?size=1`),
  { shape: "container" },
);
op(
  "GET /containers/{id}/top",
  200,
  running((id) => `/containers/${id}/top?ps_args=-ef`),
  { shape: "top" },
);
op(
  "GET /containers/{id}/logs",
  200,
  running((id) => `/containers/${id}/logs?stdout=1&tail=10`),
);
op(
  "GET /containers/{id}/changes",
  200,
  running((id) => `/containers/${id}/changes`),
  { shape: "changes" },
);
op(
  "GET /containers/{id}/export",
  200,
  running((id) => `/containers/${id}/export`),
);
op(
  "GET /containers/{id}/stats",
  200,
  running((id) => `/containers/${id}/stats?stream=0&one-shot=1`),
  { shape: "stats" },
);
op(
  "POST /containers/{id}/resize",
  200,
  at(
    (id) => `/containers/${id}/resize?h=30&w=100`,
    (room) => room.running({ Tty: true }),
  ),
);
op(
  "POST /containers/{id}/start",
  204,
  created((id) => `/containers/${id}/start`),
);
op(
  "POST /containers/{id}/stop",
  204,
  running((id) => `/containers/${id}/stop?t=0`),
);
op(
  "POST /containers/{id}/restart",
  204,
  running((id) => `/containers/${id}/restart?t=0`),
);
op(
  "POST /containers/{id}/kill",
  204,
  running((id) => `/containers/${id}/kill?signal=SIGKILL`),
);
op(
  "POST /containers/{id}/update",
  200,
  async (room) => ({
    path: `/containers/${await room.running()}/update`,
    body: { Memory: 64 << 20, CpusetCpus: null, RestartPolicy: { Name: "no" } },
  }),
  { shape: "updated", badBody: { Memory: "much" } },
);
op(
  "POST /containers/{id}/rename",
  204,
  created((id) => `/containers/${id}/rename?name=renamed`),
);
op(
  "POST /containers/{id}/pause",
  204,
  running((id) => `/containers/${id}/pause`),
);
op(
  "POST /containers/{id}/unpause",
  204,
  at(
    (id) => `/containers/${id}/unpause`,
    (room) => room.paused(),
  ),
);
op(
  "POST /containers/{id}/attach",
  101,
  running((id) => `/containers/${id}/attach?stream=1&stdout=1`),
  { upgrade: "tcp" },
);
op(
  "GET /containers/{id}/attach/ws",
  101,
  running((id) => `/containers/${id}/attach/ws?stream=1&stdout=1`),
  { upgrade: "websocket" },
);
op(
  "POST /containers/{id}/wait",
  200,
  stopped((id) => `/containers/${id}/wait`),
  { shape: "waited" },
);
op(
  "DELETE /containers/{id}",
  204,
  running((id) => `/containers/${id}?force=1&v=1`),
);
op(
  "HEAD /containers/{id}/archive",
  200,
  running((id) => `/containers/${id}/archive?path=/bin`),
);
op(
  "GET /containers/{id}/archive",
  200,
  running((id) => `/containers/${id}/archive?path=/etc`),
);
op("PUT /containers/{id}/archive", 200, async (room) => ({
  path: `/containers/${await room.running()}/archive?path=/etc`,
  body: tarOf(room, "etc"),
}));
op("POST /containers/prune", 200, "/containers/prune", { shape: "prunedContainers" });

group = "Images";
op("GET /images/json", 200, "/images/json?all=1", { shape: "images" });
op("POST /build", 200, (room) => ({ path: "/build?t=built", body: room.context("FROM box\nRUN true\n") }), {
  shape: "progress",
});
op("POST /build/prune", 200, "/build/prune?all=1", { shape: "prunedBuild" });
op(
  "POST /images/create",
  200,
  (room) => ({
    path: "/images/create?fromSrc=-&repo=imported",
    body: tarOf(room, "bin"),
  }),
  { shape: "progress" },
);
op("GET /images/{name}/json", 200, "/images/box/json", { shape: "image" });
op("GET /images/{name}/history", 200, "/images/box/history", { shape: "history" });
op(
  "POST /images/{name}/push",
  200,
  async (room) => ({
    path: `/images/${encodeURIComponent(await room.named("push"))}/push`,
  }),
  { shape: "progress" },
);
op("POST /images/{name}/tag", 201, "/images/box/tag?repo=other&tag=1");
op(
  "DELETE /images/{name}",
  200,
  async (room) => ({ path: `/images/${encodeURIComponent(await room.named("gone"))}` }),
  { shape: "deletedImages" },
);
op("GET /images/search", 200, (room) => ({ path: `/images/search?term=${room.registry}/x&limit=5` }), {
  shape: "search",
});
op("POST /images/prune", 200, "/images/prune", { shape: "prunedImages" });
op(
  "POST /commit",
  201,
  running((id) => `/commit?container=${id}&repo=committed`),
  { shape: "id", badBody: { Cmd: 1 } },
);
op("GET /images/{name}/get", 200, "/images/box/get");
op("GET /images/get", 200, "/images/get?names=box");
op("POST /images/load", 200, async (room) => ({ path: "/images/load", body: await room.archive() }), {
  shape: "progress",
});

group = "Networks";
op("GET /networks", 200, "/networks", { shape: "networks" });
op("GET /networks/{id}", 200, "/networks/bridge", { shape: "network" });
op(
  "DELETE /networks/{id}",
  204,
  at(
    (id) => `/networks/${id}`,
    (room) => room.network(),
  ),
);
op(
  "POST /networks/create",
  201,
  () => ({ path: "/networks/create", body: { Name: "made-net", Labels: { a: "b" } } }),
  {
    shape: "createdNetwork",
    badBody: { Name: 1 },
  },
);
op(
  "POST /networks/{id}/connect",
  200,
  async (room) => ({
    path: `/networks/${await room.network()}/connect`,
    body: { Container: await room.running(), EndpointConfig: { Aliases: ["alias"] } },
  }),
  { badBody: { Container: 1 } },
);
op(
  "POST /networks/{id}/disconnect",
  200,
  async (room) => {
    const network = await room.network();
    const Container = await room.running({ HostConfig: { NetworkMode: network } });
    return { path: `/networks/${network}/disconnect`, body: { Container, Force: true } };
  },
  { badBody: { Container: 1 } },
);
op("POST /networks/prune", 200, "/networks/prune", { shape: "prunedNetworks" });

group = "Volumes";
op("GET /volumes", 200, "/volumes", { shape: "volumes" });
op(
  "POST /volumes/create",
  201,
  () => ({ path: "/volumes/create", body: { Name: "made-volume", Labels: { a: "b" } } }),
  {
    shape: "volume",
    badBody: { Name: 1 },
  },
);
op(
  "GET /volumes/{name}",
  200,
  at(
    (name) => `/volumes/${name}`,
    (room) => room.volume(),
  ),
  { shape: "volume" },
);
refused("swarm", 503, "PUT /volumes/{name}");
op(
  "DELETE /volumes/{name}",
  204,
  at(
    (name) => `/volumes/${name}`,
    (room) => room.volume(),
  ),
);
op("POST /volumes/prune", 200, "/volumes/prune", { shape: "prunedVolumes" });

group = "Exec";
op(
  "POST /containers/{id}/exec",
  201,
  async (room) => ({
    path: `/containers/${await room.running()}/exec`,
    body: { Cmd: ["true"], AttachStdout: true },
  }),
  { shape: "id", badBody: { Cmd: "ls" } },
);
op(
  "POST /exec/{id}/start",
  200,
  async (room) => ({ path: `/exec/${await room.exec()}/start`, body: { Detach: true } }),
  { badBody: { Detach: 1 } },
);
op(
  "POST /exec/{id}/resize",
  200,
  at(
    (id) => `/exec/${id}/resize?h=10&w=20`,
    (room) => room.startedExec(),
  ),
);
op(
  "GET /exec/{id}/json",
  200,
  at(
    (id) => `/exec/${id}/json`,
    (room) => room.exec(),
  ),
  { shape: "exec" },
);

group = "Swarm";
refused("swarm", 503, "GET /swarm");
refused("unsupported", 501, "POST /swarm/init", "POST /swarm/join");
refused(
  "swarm",
  503,
  "POST /swarm/leave",
  "POST /swarm/update",
  "GET /swarm/unlockkey",
  "POST /swarm/unlock",
);
refused("swarm", 503, "GET /nodes", "GET /nodes/{id}", "DELETE /nodes/{id}", "POST /nodes/{id}/update");
refused(
  "swarm",
  503,
  "GET /services",
  "POST /services/create",
  "GET /services/{id}",
  "DELETE /services/{id}",
);
refused("swarm", 503, "POST /services/{id}/update", "GET /services/{id}/logs");
refused("swarm", 503, "GET /tasks", "GET /tasks/{id}", "GET /tasks/{id}/logs");
for (const kind of ["secrets", "configs"])
  refused(
    "swarm",
    503,
    `GET /${kind}`,
    `POST /${kind}/create`,
    `GET /${kind}/{id}`,
    `DELETE /${kind}/{id}`,
    `POST /${kind}/{id}/update`,
  );

group = "Plugins";
op("GET /plugins", 200, "/plugins", { shape: "plugins" });
refused("unsupported", 501, "GET /plugins/privileges", "POST /plugins/pull");
refused("plugins", 404, "GET /plugins/{name}/json", "DELETE /plugins/{name}", "POST /plugins/{name}/enable");
refused("plugins", 404, "POST /plugins/{name}/disable", "POST /plugins/{name}/upgrade");
refused("unsupported", 501, "POST /plugins/create");
refused("plugins", 404, "POST /plugins/{name}/push", "POST /plugins/{name}/set");

group = "System";
op(
  "POST /auth",
  200,
  (room) => ({
    path: "/auth",
    body: { username: "user", password: "secret", serveraddress: room.registry },
  }),
  { shape: "auth", badBody: { username: 1 } },
);
op("GET /info", 200, "/info", { shape: "info" });
op("GET /version", 200, "/version", { shape: "version" });
op("GET /_ping", 200, "/_ping");
op("HEAD /_ping", 200, "/_ping");
op("GET /events", 200, () => ({ path: `/events?since=0&until=${Math.floor(Date.now() / 1000)}` }), {
  shape: "events",
});
op("GET /system/df", 200, "/system/df", { shape: "usage" });

group = "Distribution";
op(
  "GET /distribution/{name}/json",
  200,
  async (room) => ({
    path: `/distribution/${encodeURIComponent(await room.pushed())}/json`,
  }),
  { shape: "distribution", hasId: false },
);

group = "Session";
refused("unsupported", 501, "POST /session");

/** The 107 operations. */
export const OPERATIONS: readonly Operation[] = all;

function tarOf(room: EngineRoom, folder: string): Buffer {
  return execFileSync("tar", ["-C", room.bay.busybox(), "-c", folder], { maxBuffer: 1 << 28 });
}
