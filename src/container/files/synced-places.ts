/**
 * Keeps the record of synchronised paths with the files themselves: the record of a container's own files with the container,
 * and that of a volume or bind mount with that one, because it outlives the containers that use it.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join, posix } from "node:path";
import type { SyncOperation } from "../../image/index.ts";
import type { MountConfig } from "../model/config.ts";
import type { Host } from "../model/host.ts";
import { containerDirectory } from "../model/paths.ts";
import type { ContainerRecord } from "../model/record.ts";
import { SyncedPaths, type SyncRule } from "./synced-paths.ts";

/** Records of bind mounts; the oldest ones are removed if there are more. */
const MOST_BINDS = 200;

interface Place {
  /** The path in the container. */
  target: string;
  /** The path in the volume or bind mount that is mounted there. */
  inside: string;
  paths: SyncedPaths;
}

export class SyncedPlaces {
  /** The deepest mount first. */
  readonly #places: readonly Place[];

  constructor(
    readonly own: SyncedPaths,
    places: readonly Place[],
  ) {
    this.#places = places.toSorted((a, b) => b.target.length - a.target.length);
  }

  /** As in SyncedPaths. */
  before(rule: SyncRule, operations: readonly SyncOperation[]): void {
    for (const { paths, key, part } of this.#parts(rule, operations)) paths.before(key, part);
  }

  /** As in SyncedPaths. */
  after(rule: SyncRule, operations: readonly SyncOperation[], failed: readonly { path: string }[]): void {
    const left = new Set(failed.map(({ path }) => path));
    const done = operations.filter(({ path }) => !left.has(path));
    for (const { paths, key, part } of this.#parts(rule, done)) paths.after(key, part, []);
  }

  /** The paths in the container that a rule has synchronised, by this container or an earlier one. */
  list(rule: SyncRule): string[] {
    const own = this.own.list(rule).filter((path) => this.#placeOf(path) === undefined);
    const others = this.#places.flatMap((place) =>
      place.paths
        .list(keyIn(rule))
        .flatMap((path) => (isBelow(place.inside, path) ? [move(path, place.inside, place.target)] : []))
        .filter((path) => isBelow(rule.target, path) && this.#placeOf(path) === place),
    );
    return [...own, ...others];
  }

  #placeOf(path: string): Place | undefined {
    return this.#places.find(({ target }) => isBelow(target, path));
  }

  /** The operations by the record to which they belong. */
  #parts(rule: SyncRule, operations: readonly SyncOperation[]) {
    const parts = new Map<SyncedPaths, { paths: SyncedPaths; key: SyncRule; part: SyncOperation[] }>();
    for (const operation of operations) {
      const place = this.#placeOf(operation.path);
      const paths = place?.paths ?? this.own;
      const known = parts.get(paths) ?? { paths, key: place ? keyIn(rule) : rule, part: [] };
      const path = place ? move(operation.path, place.target, place.inside) : operation.path;
      known.part.push({ ...operation, path });
      parts.set(paths, known);
    }
    return [...parts.values()];
  }
}

/** A volume may be mounted at another path the next time, so its record has no target. */
const keyIn = ({ source }: SyncRule): SyncRule => ({ source, target: "/" });

const isBelow = (directory: string, path: string) =>
  directory === "/" || path === directory || path.startsWith(`${directory}/`);

const move = (path: string, from: string, to: string) => posix.join(to, posix.relative(from, path));

/** The records of a container, and of what is mounted in it. */
export async function syncedPlaces(host: Host, { id, config }: ContainerRecord): Promise<SyncedPlaces> {
  const own = new SyncedPaths(join(containerDirectory(host, id), "synced"));
  const opened = new Map<string, SyncedPaths>();
  const places: Place[] = [];
  for (const mount of config.mounts) {
    const file = await recordOf(host, mount);
    if (file === undefined) continue;
    const paths = opened.get(file) ?? new SyncedPaths(file);
    opened.set(file, paths);
    const subpath = mount.type === "volume" ? (mount.subpath ?? "") : "";
    places.push({ target: mount.target, inside: posix.join("/", subpath), paths });
  }
  return new SyncedPlaces(own, places);
}

/** The file of a mount's record; undefined for mounts whose files end with the container, or cannot be written. */
async function recordOf(host: Host, mount: MountConfig): Promise<string | undefined> {
  if (mount.type === "tmpfs" || mount.type === "image" || mount.readOnly) return undefined;
  if (mount.type === "volume") return host.volumes.syncedFile(mount.source);
  try {
    // another directory at the same path has another record
    const { ino, birthtimeMs } = await stat(mount.source);
    const name = createHash("sha256")
      .update(JSON.stringify([mount.source, ino, birthtimeMs]))
      .digest("hex");
    const directory = join(host.roots.root, "synced");
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    removeOldest(directory);
    return join(directory, name);
  } catch {
    return undefined; // the source is gone, and so are its files
  }
}

function removeOldest(directory: string): void {
  const names = readdirSync(directory);
  if (names.length < MOST_BINDS) return;
  const byAge = names
    .map((name) => ({ name, age: statSync(join(directory, name)).mtimeMs }))
    .sort((a, b) => a.age - b.age);
  for (const { name } of byAge.slice(0, names.length - MOST_BINDS + 1)) rmSync(join(directory, name));
}
