/** bay's own routes for other outputs of a build: its files in a directory or an archive, and the image in an archive. */
import { createReadStream, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { loadTreeTasks } from "../../../build/index.ts";
import { mountPoint } from "../../../container/index.ts";
import { BayError } from "../../../core/errors.ts";
import type { Image } from "../../../image/index.ts";
import { parameters } from "../engine/parameters.ts";
import { sendArchive } from "../engine/transfers.ts";
import { type Route, route, sendJson } from "../http.ts";
import type { Services } from "../server.ts";

const exportSchema = z.object({
  id: z.string(),
  /** Created if it does not exist. */
  folder: z.string().startsWith("/"),
  uid: z.number().int().nonnegative(),
  gid: z.number().int().nonnegative(),
});

/** Files of an image are written to a directory, and belong to the caller there. */
export type ExportBody = z.input<typeof exportSchema>;

export function imageFileRoutes({ manager }: Services): Route[] {
  const { images } = manager;
  const layersOf = (image: Image) => ({
    kind: "layers" as const,
    directory: image.layersDirectory,
    // mount points of the container are not part of the image
    lower: image.lower.filter((name) => name !== images.layers.mountPoints()),
    staging: mountPoint(manager),
  });
  const held = async <T>(id: string, action: (image: Image) => Promise<T>): Promise<T> => {
    const record = images.records.byId(id);
    if (!record) throw new BayError("IMAGE_NOT_FOUND", `the image ${id} does not exist`);
    const image = await images.get(record.reference, id);
    const letGo = images.hold(image);
    try {
      return await action(image);
    } finally {
      letGo();
    }
  };
  return [
    route("GET", "/bay/v1/image/:/archive", ({ response, parts, query }) =>
      held(parts[0]!, (image) =>
        sendArchive(response, (put) =>
          images.archives.saveAs(image, parameters("GET /bay/v1/image/:/archive", query).name, put),
        ),
      ),
    ),
    route("GET", "/bay/v1/image/:/files", ({ response, parts }) =>
      held(parts[0]!, async (image) => {
        const { runTreeTask } = await loadTreeTasks();
        const file = join(images.layers.temporary());
        try {
          await runTreeTask({ kind: "archive", root: layersOf(image), file });
          await sendArchive(response, async (put) => {
            for await (const part of createReadStream(file, { highWaterMark: 1 << 20 }))
              await put(part as Buffer);
          });
        } finally {
          rmSync(file, { force: true });
        }
      }),
    ),
    route("POST", "/bay/v1/image/files", async (call) => {
      const { id, folder, uid, gid } = await call.ownBody(exportSchema);
      await held(id, async (image) => {
        const { runTreeTask } = await loadTreeTasks();
        const root = layersOf(image);
        await runTreeTask({
          kind: "copy",
          selection: { root, sources: ["/"], ignore: [], excludes: [] },
          into: { folder, staging: root.staging },
          options: {
            target: "/",
            owner: { uid, gid },
            mode: undefined,
            parents: false,
            unpack: false,
            newest: undefined,
          },
        });
      });
      sendJson(call.response, 200, {});
    }),
  ];
}
