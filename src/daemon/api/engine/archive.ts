/** Archive routes of the Docker Engine API: copies files in and out of containers as tar streams. */
import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { changedConfig } from "../../../build/index.ts";
import {
  changesOf,
  commitContainer,
  exportContainer,
  type PathStat,
  readArchive,
  statPath,
  writeArchive,
} from "../../../container/index.ts";
import { BayError } from "../../../core/errors.ts";
import { type Call, type Route, route, sendJson, whenClosed } from "../http.ts";
import type { Services } from "../server.ts";
import { commitBody, committedConfig } from "./commit-body.ts";
import { parameters } from "./parameters.ts";
import { withTag } from "./query.ts";

const GO_DIRECTORY = 2 ** 31;
const GO_SYMLINK = 2 ** 27;

/** Docker's header: the stat as JSON in base 64, with the mode as Go's os.FileMode. */
function header(stat: PathStat): string {
  const type = stat.mode & 0o170000;
  const mode = (stat.mode & 0o777) + (type === 0o040000 ? GO_DIRECTORY : type === 0o120000 ? GO_SYMLINK : 0);
  const { name, size, mtime, linkTarget } = stat;
  return Buffer.from(JSON.stringify({ name, size, mode, mtime, linkTarget })).toString("base64");
}

export function archiveRoutes({ manager }: Services): Route[] {
  const target = (call: Call) => {
    const { path } = parameters("GET /containers/:/archive", call.query);
    if (!path) throw new BayError("BAD_REQUEST", "the parameter path is required");
    return { record: manager.get(call.parts[0]!), path };
  };
  return [
    route("HEAD", "/containers/:/archive", async (call) => {
      const { record, path } = target(call);
      const stat = await statPath(manager, record, path);
      call.response.writeHead(200, { "X-Docker-Container-Path-Stat": header(stat) }).end();
    }),
    route("GET", "/containers/:/archive", async (call) => {
      const { record, path } = target(call);
      const { stat, stream, done } = await readArchive(manager, record, path);
      manager.events.ofContainer(record, "archive-path");
      call.response.writeHead(200, {
        "Content-Type": "application/x-tar",
        "X-Docker-Container-Path-Stat": header(stat),
      });
      await pass(stream, done, call.response);
    }),
    route("GET", "/containers/:/export", async ({ response, parts }) => {
      const record = manager.get(parts[0]!);
      const { stream, done } = await exportContainer(manager, record);
      manager.events.ofContainer(record, "export");
      response.writeHead(200, { "Content-Type": "application/x-tar" });
      await pass(stream, done, response);
    }),
    route("GET", "/containers/:/changes", async ({ response, parts }) => {
      const changes = await changesOf(manager, manager.get(parts[0]!));
      const kinds = { changed: 0, added: 1, deleted: 2 };
      sendJson(
        response,
        200,
        changes.map(({ path, kind }) => ({ Path: path, Kind: kinds[kind] })),
      );
    }),
    route("POST", "/commit", async ({ response, query, body }) => {
      const { changes, repo, tag, ...given } = parameters("POST /commit", query);
      const config = committedConfig(await body(commitBody));
      const record = manager.get(given.container ?? "");
      const image = await commitContainer(manager, record, {
        name: repo ? withTag(repo, tag) : undefined,
        author: given.author || undefined,
        comment: given.comment || undefined,
        pause: given.pause,
        change: (before) => changedConfig(config(before), changes),
      });
      manager.events.ofContainer(record, "commit", { comment: given.comment ?? "", imageID: image.id });
      sendJson(response, 201, { Id: image.id });
    }),
    route("PUT", "/containers/:/archive", async (call) => {
      const given = parameters("PUT /containers/:/archive", call.query);
      const { path, noOverwriteDirNonDir, copyUIDGID } = given;
      if (!path) throw new BayError("BAD_REQUEST", "the parameter path is required");
      const record = manager.get(call.parts[0]!);
      // Docker uses the container's user, if it has one
      if (copyUIDGID && record.config.user)
        throw new BayError("UNSUPPORTED", "copyUIDGID is not supported for a container with a user");
      await writeArchive(manager, record, path, call.request, noOverwriteDirNonDir);
      manager.events.ofContainer(record, "extract-to-dir");
      call.response.writeHead(200).end();
    }),
  ];
}

/** Sends a tar. An incomplete one is truncated, so that the client notices it; a client that disconnects stops the work. */
async function pass(stream: Readable, done: Promise<void>, response: ServerResponse): Promise<void> {
  whenClosed(response, () => stream.destroy());
  stream.pipe(response, { end: false });
  try {
    await Promise.all([done, new Promise((resolve) => stream.on("close", resolve))]);
    response.end();
  } catch {
    response.destroy();
  }
}
