/** Disk usage, and freeing space: system/df and the prune routes of the Docker Engine API. */
import { join } from "node:path";
import { type ContainerRecord, containerDirectory, imagesOf, isRunning } from "../../../container/index.ts";
import { BayError } from "../../../core/errors.ts";
import { measureDirectory } from "../../../image/index.ts";
import { isPredefined } from "../../../network/index.ts";
import { type Route, route, sendJson } from "../http.ts";
import type { Services } from "../server.ts";
import { buildCacheUsage } from "./build-cache.ts";
import { ageAndLabelTest, booleanFilter } from "./filters.ts";
import { findNetwork } from "./find-network.ts";
import { parameters } from "./parameters.ts";
import { toSummary } from "./shapes.ts";
import { usedNetworks } from "./views.ts";
import { volumeShape } from "./volume-shape.ts";

/** Bytes of a container's writable layer. */
export const writableSizeOf = (manager: Services["manager"], { id }: ContainerRecord): Promise<number> =>
  measureDirectory(join(containerDirectory(manager, id), "upper")).catch(() => 0);

export function diskRoutes({ manager, ...services }: Services): Route[] {
  const writableSize = (record: ContainerRecord) => writableSizeOf(manager, record);
  const usersOfVolume = (name: string) =>
    manager
      .list()
      .filter(
        ({ config, anonymousVolumes }) =>
          anonymousVolumes.includes(name) ||
          config.mounts.some((mount) => mount.type === "volume" && mount.source === name),
      );
  return [
    route("GET", "/system/df", async ({ response, query }) => {
      const { type: types } = parameters("GET /system/df", query);
      const isShown = (type: (typeof types)[number]) => types.length === 0 || types.includes(type);
      const usage = await manager.images.usage();
      const records = manager.images.records.list();
      const containers = manager.list();
      sendJson(response, 200, {
        LayersSize: usage.total,
        UnneededSize: usage.unneeded,
        Images: (isShown("image") ? usage.images : []).map(({ id, blobs, unpacked, shared }) => ({
          Id: id,
          ParentId: "",
          RepoDigests: [],
          Labels: {},
          RepoTags: manager.images.records.tagsOf(id),
          Created: Math.floor(Date.parse(records.find((record) => record.id === id)!.createdAt) / 1000),
          Size: blobs + unpacked,
          UnpackedSize: unpacked,
          SharedSize: shared,
          Containers: containers.filter(({ config }) => imagesOf(config).includes(id)).length,
        })),
        Containers: await Promise.all(
          (isShown("container") ? containers : []).map(async (record) => {
            const SizeRw = await writableSize(record);
            const size = manager.images.records.byId(record.config.imageId)?.size ?? 0;
            return { ...toSummary(manager, record), SizeRw, SizeRootFs: SizeRw + size };
          }),
        ),
        Volumes: await Promise.all(
          (isShown("volume") ? manager.volumes.list() : []).map(async (record) => ({
            ...volumeShape(manager, record),
            UsageData: {
              Size: await measureDirectory(manager.volumes.path(record.config.name)).catch(() => 0),
              RefCount: usersOfVolume(record.config.name).length,
            },
          })),
        ),
        BuildCache: isShown("build-cache") ? await buildCacheUsage({ ...services, manager }) : [],
      });
    }),
    route("POST", "/containers/prune", async ({ response, query }) => {
      const { filters } = parameters("POST /containers/prune", query);
      const matches = ageAndLabelTest(filters);
      const gone = manager
        .list()
        .filter((record) => !isRunning(record) && record.state.status !== "restarting")
        .filter(({ id }) => !manager.waitingForFiles.has(id))
        .filter(({ createdAt, config }) => matches({ createdAt, labels: config.labels }));
      let freed = 0;
      for (const record of gone) {
        freed += await writableSize(record);
        await manager.remove(record.id, { volumes: false });
      }
      pruned("container", freed);
      sendJson(response, 200, { ContainersDeleted: gone.map(({ id }) => id), SpaceReclaimed: freed });
    }),
    route("POST", "/networks/prune", async ({ response, query }) => {
      const { filters } = parameters("POST /networks/prune", query);
      const matches = ageAndLabelTest(filters);
      const used = usedNetworks(manager);
      const gone = manager.networks
        .list()
        .filter(
          ({ config, createdAt }) =>
            !isPredefined(config.name) &&
            !used.has(config.name) &&
            matches({ createdAt, labels: config.labels }),
        );
      for (const { config } of gone) {
        await manager.networks.remove(config.name);
        manager.events.publish("network", "destroy", config.name, { name: config.name });
      }
      pruned("network", 0);
      sendJson(response, 200, { NetworksDeleted: gone.map(({ config }) => config.name) });
    }),
    route("POST", "/volumes/prune", async ({ response, query }) => {
      const { filters } = parameters("POST /volumes/prune", query);
      const withNamed = booleanFilter(filters, "all") ?? false;
      const matches = ageAndLabelTest(filters);
      const gone = manager.volumes
        .list()
        .filter(
          ({ config, createdAt }) =>
            (withNamed || config.anonymous) &&
            usersOfVolume(config.name).length === 0 &&
            matches({ createdAt, labels: config.labels }),
        );
      let freed = 0;
      for (const { config } of gone) {
        freed += await measureDirectory(manager.volumes.path(config.name)).catch(() => 0);
        removeVolume(config.name);
      }
      pruned("volume", freed);
      sendJson(response, 200, {
        VolumesDeleted: gone.map(({ config }) => config.name),
        SpaceReclaimed: freed,
      });
    }),
    route("DELETE", "/volumes/:", ({ response, parts, query }) => {
      const name = parts[0]!;
      const { force: isForced } = parameters("DELETE /volumes/:", query);
      if (!manager.volumes.get(name) && !isForced)
        throw new BayError("VOLUME_NOT_FOUND", `the volume ${name} does not exist`);
      const [user] = usersOfVolume(name);
      if (user)
        throw new BayError(
          "VOLUME_IN_USE",
          `the volume ${name} is used by the container ${user.config.name}`,
          {
            hint: "remove the container first",
          },
        );
      removeVolume(name);
      response.writeHead(204).end();
    }),
    route("DELETE", "/networks/:", async ({ response, parts }) => {
      if (isPredefined(parts[0]!))
        throw new BayError(
          "PREDEFINED_NETWORK",
          `${parts[0]} is a pre-defined network and cannot be removed`,
        );
      const known = findNetwork(manager, parts[0]!);
      await manager.networks.remove(known.config.name);
      manager.events.publish("network", "destroy", known.config.name, { name: known.config.name });
      response.writeHead(204).end();
    }),
  ];

  function pruned(type: "container" | "network" | "volume", freed: number): void {
    manager.events.publish(type, "prune", "", { reclaimed: String(freed) });
  }

  function removeVolume(name: string): void {
    manager.volumes.remove(name);
    manager.events.publish("volume", "destroy", name, { name });
  }
}
