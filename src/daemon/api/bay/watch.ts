/** bay's own routes for `bay watch`: the session, and batches of file changes for containers. */

import { z } from "zod";
import { syncedPaths, syncFiles } from "../../../container/index.ts";
import { LIMITS } from "../../../core/limits.ts";
import { readBatch } from "../../watch/batch-format.ts";
import { MOST_BYTES } from "../../watch/protocol.ts";
import { WatchSessions } from "../../watch/sessions.ts";
import { type Route, route, sendJson, startStream, whenClosed } from "../http.ts";
import { parseWith, readBody } from "../request-body.ts";
import type { Services } from "../server.ts";

const name = z.string().min(1).max(255);
const path = z.string().min(1).max(4096).startsWith("/");
/** Created at the first request, because creating schemas takes longer than answering. */
const sessionBody = () => z.strictObject({ stack: name, services: z.array(name).max(1000) });
const readyBody = () => z.strictObject({ container: name });

const ruleOfPaths = () => z.strictObject({ source: path, target: path });
const ruleIn = (query: URLSearchParams) => ({ source: query.get("source"), target: query.get("target") });

/** JSON of the operations, beside the contents. */
const MOST_JSON = LIMITS.watch.batchList;

export function watchRoutes({ manager }: Services): Route[] {
  const sessions = new WatchSessions(manager);
  return [
    route("POST", "/bay/v1/watch", async ({ body, response }) => {
      const { stack, services } = await body(sessionBody());
      let write: ((news: unknown) => void) | undefined;
      // an error before the first line is an ordinary response
      const end = sessions.open(stack, services, (news) => {
        write ??= startStream(response);
        write(news);
      });
      whenClosed(response, end);
    }),
    route("POST", "/bay/v1/watch/:/ready", async ({ body, response, parts }) => {
      sessions.ready(parts[0]!, (await body(readyBody())).container);
      response.writeHead(204).end();
    }),
    route("GET", "/bay/v1/watch/containers/:/synced", async ({ response, parts, query }) => {
      const record = manager.get(parts[0]!);
      sendJson(response, 200, {
        paths: await syncedPaths(manager, record.id, parseWith(ruleOfPaths(), ruleIn(query))),
      });
    }),
    route("POST", "/bay/v1/watch/containers/:/sync", async ({ request, response, parts, query }) => {
      const rule = query.has("source") ? parseWith(ruleOfPaths(), ruleIn(query)) : undefined;
      const record = manager.get(parts[0]!);
      const { operations, bytes } = readBatch(await readBody(request, MOST_BYTES + MOST_JSON));
      sessions.progress(record.id);
      const result = await syncFiles(manager, record.id, rule, operations, new Uint8Array(bytes));
      sessions.progress(record.id);
      sendJson(response, 200, result);
    }),
  ];
}
