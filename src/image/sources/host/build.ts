/** Makes an image of host commands and files: one layer and a config. */
import { existsSync, lstatSync, readFileSync, readlinkSync } from "node:fs";
import { posix } from "node:path";
import { BayError } from "../../../core/errors.ts";
import { type LayerSource, writeLayer } from "../../layers/tree-layer.ts";
import type { BlobWriter } from "../../store/content-store.ts";
import { Collector } from "./collect.ts";

const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";
/** The limit of the kernel (path_resolution(7)). */
const MAX_LINKS = 40;
const NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n";

/** Writes the layer; returns the host paths that it contains, to detect later changes. */
export function writeHostLayer(
  writer: BlobWriter,
  entries: readonly string[],
  users: readonly string[],
  base: string,
): string[] {
  const collector = new Collector(base);
  collector.addEntries(entries);
  if (existsSync(CERTIFICATES) && !collector.files.has(CERTIFICATES))
    collector.addPath(CERTIFICATES, CERTIFICATES);
  const sources = new Map<string, LayerSource>();
  for (const [target, path] of collector.files) sources.set(target, { path });
  const extra: [string, LayerSource][] = [
    ["/etc/passwd", { content: accountLines("/etc/passwd", ["root", ...users]), mode: 0o644 }],
    ["/etc/group", { content: groupLines(["root", ...users]), mode: 0o644 }],
    ["/etc/nsswitch.conf", { content: NSSWITCH, mode: 0o644 }],
    ["/tmp", { directory: true, mode: 0o1777 }],
    ["/run", { directory: true, mode: 0o755 }],
    ["/root", { directory: true, mode: 0o700 }],
    ["/var", { directory: true, mode: 0o755 }],
    ["/proc", { directory: true, mode: 0o555 }],
    ["/sys", { directory: true, mode: 0o555 }],
    ["/dev", { directory: true, mode: 0o755 }],
  ];
  for (const [path, source] of extra) if (!sources.has(path)) sources.set(path, source);
  mergedUsr(sources);
  writeLayer(writer, placedBehindLinks(sources), true);
  return [...new Set(collector.files.values())];
}

/** If /bin/sh was packed as /usr/bin/sh (merged /usr), /bin must be a link to it. */
function mergedUsr(sources: Map<string, LayerSource>): void {
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    const path = `/${name}`;
    const used = [...sources.keys()].some((key) => key.startsWith(`/usr/${name}/`));
    if (!used || sources.has(path) || [...sources.keys()].some((key) => key.startsWith(`${path}/`))) continue;
    sources.set(path, { link: `usr/${name}` });
  }
}

/**
 * Moves files to where the links of the image lead: `./a.so:/lib/a.so` becomes usr/lib/a.so if /lib is a link, because a
 * layer must not have an entry below a link. Throws HOST_IMAGE for circular links.
 */
export function placedBehindLinks(sources: ReadonlyMap<string, LayerSource>): Map<string, LayerSource> {
  let placed = new Map(sources);
  // a link may itself be below a link, and then others are below it
  for (let rounds = 0; rounds <= MAX_LINKS; rounds++) {
    const places = [...placed].map(([path, source]) => ({ path, place: placeOf(path, placed), source }));
    const moved = places.filter(({ path, place }) => place !== path);
    if (moved.length === 0) return placed;
    const stay = places.filter(({ path, place }) => place === path);
    // a target that the definition names takes precedence over the host's file
    placed = new Map([...stay, ...moved].map(({ place, source }) => [place, source]));
  }
  throw new BayError("HOST_IMAGE", "the image has circular symbolic links");
}

function placeOf(path: string, sources: ReadonlyMap<string, LayerSource>): string {
  const pending = posix.dirname(path).split("/").filter(Boolean);
  let at = "/";
  for (let links = 0; pending.length > 0; ) {
    const next = posix.join(at, pending.shift()!);
    const target = linkTarget(sources.get(next));
    if (target === undefined) {
      at = next;
      continue;
    }
    if (++links > MAX_LINKS)
      throw new BayError("HOST_IMAGE", `${path}: the image has circular symbolic links`);
    pending.unshift(...target.split("/").filter(Boolean));
    if (posix.isAbsolute(target)) at = "/";
  }
  return posix.join(at, posix.basename(path));
}

function linkTarget(source: LayerSource | undefined): string | undefined {
  if (source === undefined) return undefined;
  if ("link" in source) return source.link;
  const isLink = "path" in source && lstatSync(source.path, { throwIfNoEntry: false })?.isSymbolicLink();
  return isLink ? readlinkSync(source.path) : undefined;
}

/** The host's passwd lines of the requested accounts, without passwords. */
function accountLines(file: string, names: readonly string[]): string {
  const lines = readFileSync(file, "utf8").split("\n");
  return names
    .filter((name, index) => names.indexOf(name) === index)
    .map((name) => {
      const line = lines.find((candidate) => candidate.startsWith(`${name}:`));
      if (!line)
        throw new BayError("HOST_IMAGE", `the host has no user ${name}`, {
          hint: "list users that are in /etc/passwd",
        });
      const [user, , ...rest] = line.split(":");
      return `${[user, "x", ...rest].join(":")}\n`;
    })
    .join("");
}

/** The groups of the accounts: their primary group and every group that lists them. */
function groupLines(names: readonly string[]): string {
  const passwd = readFileSync("/etc/passwd", "utf8").split("\n");
  const primary = new Set(
    names.map((name) => passwd.find((line) => line.startsWith(`${name}:`))?.split(":")[3]),
  );
  return readFileSync("/etc/group", "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => line.split(":") as [string, string, string, string])
    .filter(
      ([, , gid, members]) => primary.has(gid) || members.split(",").some((member) => names.includes(member)),
    )
    .map(
      ([group, , gid, members]) =>
        `${group}:x:${gid}:${members
          .split(",")
          .filter((m) => names.includes(m))
          .join(",")}\n`,
    )
    .join("");
}
