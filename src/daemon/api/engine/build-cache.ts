/** The build cache in the shape of the Docker Engine API, and build/prune: by age, by size, or all of it. */
import { join } from "node:path";
import { measureDirectory } from "../../../image/index.ts";
import { type Route, route, sendJson } from "../http.ts";
import type { Services } from "../server.ts";
import { type CacheEntry, isMeantBy, lastUseBefore } from "./build-cache-filters.ts";
import type { Filters } from "./filters.ts";
import { parameters } from "./parameters.ts";

/** Milliseconds after their last use from which entries are removed, unless all are. */
const UNUSED_FOR = 7 * 24 * 3600_000;

type Cache = Pick<Services, "steps" | "cacheMounts" | "repositories" | "manager">;

interface Entry extends CacheEntry {
  size: number;
  remove: () => void;
}

const sizeOf = (directory: string) => measureDirectory(directory).catch(() => 0);

async function listEntries({ steps, cacheMounts, repositories, manager }: Cache): Promise<Entry[]> {
  const layers = steps.list().map(
    async (record): Promise<Entry> => ({
      ...record,
      id: record.key.slice(0, 25),
      type: "regular",
      isInUse: false,
      size: record.layer === undefined ? 0 : await sizeOf(join(steps.directory, record.layer)),
      remove: () => steps.remove([record]),
    }),
  );
  const mounts = cacheMounts.list().map(
    async (record): Promise<Entry> => ({
      ...record,
      id: record.place,
      type: "exec.cachemount",
      description: `cache mount ${record.id}`,
      isInUse: cacheMounts.isInUse(record),
      size: await sizeOf(cacheMounts.pathOf(record)),
      remove: () => cacheMounts.remove([record]),
    }),
  );
  const sources = repositories.list().map(
    async (kept): Promise<Entry> => ({
      ...kept,
      id: kept.name,
      type: "source.git.checkout",
      description: "a git repository",
      isInUse: steps.isInUse,
      size: await sizeOf(kept.path),
      remove: () => repositories.remove(kept),
    }),
  );
  const { apt } = manager.images;
  const packages = (await apt.list()).map(
    (kept): Entry => ({
      ...kept,
      id: kept.name.slice(0, 25),
      type: "source.local",
      description: kept.name.startsWith("base-") ? "a base of apt: images" : "Debian packages of apt: images",
      isInUse: false,
      remove: () => apt.remove(kept),
    }),
  );
  return Promise.all([...layers, ...mounts, ...sources, ...packages]);
}

/** BuildCache of system/df. */
export async function buildCacheUsage(cache: Cache): Promise<unknown[]> {
  return (await listEntries(cache)).map((entry) => ({
    ID: entry.id,
    Type: entry.type,
    Description: entry.description,
    InUse: entry.isInUse,
    Shared: false,
    Size: entry.size,
    CreatedAt: entry.createdAt,
    LastUsedAt: entry.usedAt,
    UsageCount: 1,
  }));
}

interface Wish {
  isAll: boolean;
  /** The most recently used entries are kept up to this number of bytes. */
  keep: number | undefined;
  filters: Filters;
}

/** Returns the entries to remove, the least recently used first. Throws BAD_REQUEST. */
export function chooseEntries<T extends Omit<Entry, "remove">>(
  entries: readonly T[],
  { isAll, keep, filters }: Wish,
): T[] {
  const limit = lastUseBefore(filters) ?? (isAll || keep !== undefined ? Infinity : Date.now() - UNUSED_FOR);
  const isMeant = isMeantBy(filters);
  const free = entries
    .filter(({ isInUse, usedAt }) => !isInUse && Date.parse(usedAt) < limit)
    .filter(isMeant)
    // a step before those that it is based on
    .sort((a, b) => a.usedAt.localeCompare(b.usedAt) || b.createdAt.localeCompare(a.createdAt));
  if (keep === undefined) return free;
  let total = entries.reduce((sum, { size }) => sum + size, 0);
  return free.filter(({ size }) => {
    if (total <= keep) return false;
    total -= size;
    return true;
  });
}

export function buildCacheRoutes(cache: Cache): Route[] {
  return [
    route("POST", "/build/prune", async ({ response, query }) => {
      const given = parameters("POST /build/prune", query);
      const { all: isAll, filters } = given;
      // newer clients name it max-used-space
      const keep = (given["keep-storage"] ?? given["max-used-space"]) || undefined;
      const gone = chooseEntries(await listEntries(cache), { isAll, keep, filters });
      for (const entry of gone) entry.remove();
      if (isAll) cache.cacheMounts.removeDigests(Date.now());
      else cache.cacheMounts.removeDigests(Date.now() - UNUSED_FOR);
      const freed = gone.reduce((sum, { size }) => sum + size, 0);
      cache.manager.events.publish("builder", "prune", "", { reclaimed: String(freed) });
      sendJson(response, 200, { CachesDeleted: gone.map(({ id }) => id), SpaceReclaimed: freed });
    }),
  ];
}
