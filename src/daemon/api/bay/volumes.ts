/** bay's own routes on volumes: a backup as a tar, and its restore. */
import { backupVolume, restoreVolume } from "../../../container/index.ts";
import { parameters } from "../engine/parameters.ts";
import { type Route, route, sendJson } from "../http.ts";
import type { Services } from "../server.ts";

export function volumeRoutes({ manager }: Services): Route[] {
  return [
    route("GET", "/bay/v1/volumes/:/backup", async ({ response, parts, query }) => {
      const { pause } = parameters("GET /bay/v1/volumes/:/backup", query);
      const { stream, writers, done } = await backupVolume(manager, parts[0]!, { pause });
      response.on("close", () => stream.destroy());
      response.writeHead(200, {
        "Content-Type": "application/x-tar",
        "X-Bay-Writers": writers.join(","),
        // sent at the end of the stream, only if the archive is complete
        Trailer: "X-Bay-Backup",
      });
      stream.pipe(response, { end: false });
      try {
        const [result] = await Promise.all([done, new Promise((resolve) => stream.on("close", resolve))]);
        response.addTrailers({ "X-Bay-Backup": Buffer.from(JSON.stringify(result)).toString("base64") });
        response.end();
      } catch {
        response.destroy(); // so that the client notices the truncation
      }
    }),
    route("PUT", "/bay/v1/volumes/:/restore", async ({ request, response, parts, query }) => {
      const options = parameters("PUT /bay/v1/volumes/:/restore", query);
      const name = parts[0]!;
      const isWhole = () => request.complete;
      sendJson(response, 200, await restoreVolume(manager, name, options, request, isWhole));
    }),
  ];
}
