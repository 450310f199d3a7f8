/**
 * Keeps the record of synchronised paths with the files themselves: the record of a container's own files with the container,
 * and that of a volume or bind mount with that one, because it outlives the containers that use it.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync, type Stats, statSync, utimesSync } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { SyncOperation } from "../../image/index.ts";
import type { MountConfig } from "../model/config.ts";
import type { Host } from "../model/host.ts";
import { containerDirectory } from "../model/paths.ts";
import type { ContainerRecord } from "../model/record.ts";
import { SyncedPaths, type SyncRule } from "./synced-paths.ts";

/** Records of bind mounts; if there are more, those that were not used for the longest time are removed. */
const MOST_BINDS = 200;
/** Milliseconds within which the file system of a bind mount must answer; one of a network may never do so. */
const PATIENCE = 10_000;
/** Sources that do not answer, after which no other one is looked at. */
const MOST_SILENT = 2;

interface Place {
  /** The path in the container. */
  target: string;
  /** The path in the volume or bind mount that is mounted there. */
  inside: string;
  /** undefined for the container's own record: files of the mount end with the container, or cannot be written. */
  paths: SyncedPaths | undefined;
}

export class SyncedPlaces {
  /** The deepest mount first. */
  readonly #places: readonly Place[];

  constructor(
    readonly own: SyncedPaths,
    places: readonly Place[],
    /** Releases the records; further calls do nothing. */
    readonly close: () => void = () => {},
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
    const own = this.own.list(rule).filter((path) => this.#placeOf(path)?.paths === undefined);
    const others = this.#places.flatMap((place) =>
      (place.paths?.list(keyIn(rule)) ?? [])
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
      const isOwn = place?.paths === undefined;
      const paths = place?.paths ?? this.own;
      const known = parts.get(paths) ?? { paths, key: isOwn ? rule : keyIn(rule), part: [] };
      const path = place && !isOwn ? move(operation.path, place.target, place.inside) : operation.path;
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

/**
 * The records of a container, and of what is mounted in it. The records of its bind mounts are kept until `close` of the
 * result. Throws system errors of the records.
 */
export async function syncedPlaces(host: Host, { id, config }: ContainerRecord): Promise<SyncedPlaces> {
  const own = new SyncedPaths(join(containerDirectory(host, id), "synced"));
  const opened = new Map<string, SyncedPaths>();
  const kept: string[] = [];
  const places: Place[] = [];
  try {
    for (const mount of config.mounts) {
      const file = await recordOf(host, mount);
      if (file !== undefined && mount.type === "bind") {
        keepBind(file);
        kept.push(file);
      }
      const paths = file === undefined ? undefined : (opened.get(file) ?? new SyncedPaths(file));
      if (file !== undefined && paths) opened.set(file, paths);
      const subpath = mount.type === "volume" ? (mount.subpath ?? "") : "";
      places.push({ target: mount.target, inside: posix.join("/", subpath), paths });
    }
  } catch (error) {
    releaseBinds(kept);
    throw error;
  }
  return new SyncedPlaces(own, places, () => releaseBinds(kept.splice(0)));
}

/** The file of a mount's record; undefined for mounts whose files end with the container, or cannot be written. */
async function recordOf(host: Host, mount: MountConfig): Promise<string | undefined> {
  if (mount.type === "tmpfs" || mount.type === "image" || mount.readOnly) return undefined;
  if (mount.type === "volume") return host.volumes.syncedFile(mount.source);
  const identity = await identityOf(mount.source);
  if (!identity) return undefined;
  // another directory at the same path has another record
  const name = createHash("sha256")
    .update(JSON.stringify([mount.source, identity.ino, identity.birthtimeMs]))
    .digest("hex");
  return join(host.roots.root, "synced", name);
}

// ---- the sources of bind mounts

let turn: Promise<unknown> = Promise.resolve();
/** Sources whose file system has not answered yet: each of these calls occupies one of few threads. */
const silent = new Set<string>();

/** undefined if the source does not exist, or its file system does not answer. One at a time (see `silent`). */
function identityOf(source: string): Promise<Stats | undefined> {
  const answer = turn.then(() => {
    if (silent.has(source) || silent.size >= MOST_SILENT) return undefined;
    silent.add(source);
    const asked = stat(source)
      .catch(() => undefined)
      .finally(() => silent.delete(source));
    return within(asked, PATIENCE);
  });
  turn = answer;
  return answer;
}

/** Resolves with undefined if a promise takes more milliseconds. It must not reject. */
export async function within<T>(promise: Promise<T>, milliseconds: number): Promise<T | undefined> {
  const late = new AbortController();
  const end = sleep(milliseconds, undefined, { signal: late.signal }).catch(() => undefined);
  const result = await Promise.race([promise, end]);
  late.abort();
  return result;
}

// ---- the records of bind mounts

/** Those in use, and by how many containers. */
const inUse = new Map<string, number>();

/** Keeps the record of a bind mount while it is used. A new one may remove those that were not used for the longest time. */
export function keepBind(file: string, most = MOST_BINDS): void {
  const directory = dirname(file);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (existsSync(file)) utimesSync(file, new Date(), new Date());
  else removeOldest(directory, most);
  inUse.set(file, (inUse.get(file) ?? 0) + 1);
}

export function releaseBinds(files: readonly string[]): void {
  for (const file of files) {
    const left = (inUse.get(file) ?? 1) - 1;
    if (left > 0) inUse.set(file, left);
    else inUse.delete(file);
  }
}

function removeOldest(directory: string, most: number): void {
  const files = readdirSync(directory).map((name) => join(directory, name));
  const tooMany = files.length - most + 1;
  if (tooMany <= 0) return;
  const byAge = files
    .filter((file) => !inUse.has(file))
    .map((file) => ({ file, age: statSync(file).mtimeMs }))
    .sort((a, b) => a.age - b.age);
  for (const { file } of byAge.slice(0, tooMany)) rmSync(file);
}
