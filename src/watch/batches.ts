/** Turns changed paths of a rule into batches for a container, with the files as they are on the host now. */
import { randomBytes } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { hasCode, messageOf } from "../core/errors.ts";
import { writeBatch } from "../daemon/watch/protocol.ts";
import type { SyncOperation } from "../image/index.ts";
import type { HostTree } from "./host-tree.ts";
import { pathInContainer } from "./rule.ts";

export interface Batch {
  /** The changed paths that it completes, relative to the rule's root. */
  paths: string[];
  removed: number;
  directories: number;
  /** Files that could not be read, with the reasons. */
  unread: { path: string; message: string }[];
  body: Buffer;
}

/** A batch is sent when it has this many bytes or operations; a larger file is sent in parts of this size. */
const BYTES = 8 << 20;
const OPERATIONS = 1_000;

/** Removals come first, the deepest path before those above it; then what exists, directories before what is in them. */
export function inOrder(paths: Iterable<string>, tree: HostTree): string[] {
  const all = [...paths];
  const depth = (path: string) => (path === "" ? 0 : path.split("/").length);
  const gone = all.filter((path) => !tree.entries.has(path)).sort((a, b) => depth(b) - depth(a));
  const made = all.filter((path) => tree.entries.has(path)).sort((a, b) => depth(a) - depth(b));
  return [...gone, ...made];
}

/** Reads the files batch by batch, so that a large tree is never in memory as a whole. */
export function* batchesOf(tree: HostTree, paths: Iterable<string>): Generator<Batch> {
  let batch = new Draft();
  for (const path of inOrder(paths, tree)) {
    for (const full of addPath(batch, tree, path)) {
      yield full.finish();
      batch = full.next;
    }
    if (batch.isFull) {
      yield batch.finish();
      batch = new Draft();
    }
  }
  if (!batch.isEmpty) yield batch.finish();
}

class Draft {
  readonly #operations: SyncOperation[] = [];
  readonly #contents: Buffer[] = [];
  readonly #paths: string[] = [];
  readonly #unread: Batch["unread"] = [];
  #bytes = 0;
  #removed = 0;
  #directories = 0;
  /** The draft after this one, when a file is sent in parts. */
  next: Draft = this;

  add(operation: SyncOperation, content?: Buffer): void {
    this.#operations.push(operation);
    if (operation.op === "remove") this.#removed += 1;
    if (operation.op === "directory") this.#directories += 1;
    if (content) {
      this.#contents.push(content);
      this.#bytes += content.length;
    }
  }

  done(path: string): void {
    this.#paths.push(path);
  }

  fail(path: string, message: string): void {
    this.#unread.push({ path, message });
  }

  get isEmpty(): boolean {
    return this.#operations.length === 0 && this.#paths.length === 0 && this.#unread.length === 0;
  }

  get isFull(): boolean {
    return this.#bytes >= BYTES || this.#operations.length >= OPERATIONS;
  }

  finish(): Batch {
    const body = writeBatch(this.#operations, this.#contents);
    const counts = { removed: this.#removed, directories: this.#directories };
    return { paths: this.#paths, ...counts, unread: this.#unread, body };
  }
}

/** Adds what one path needs. Yields drafts that are complete in the middle of a large file. */
function* addPath(draft: Draft, tree: HostTree, path: string): Generator<Draft> {
  const target = pathInContainer(tree.rule, path);
  const entry = tree.entries.get(path);
  if (!entry) {
    draft.add({ op: "remove", path: target, root: tree.rule.target ?? "/" });
    return draft.done(path);
  }
  const isRoot = path === "" ? { isRoot: true } : {};
  if (entry.kind === "directory") {
    draft.add({ op: "directory", path: target, mode: entry.mode, ...isRoot });
    return draft.done(path);
  }
  if (entry.kind === "link") {
    if (entry.link !== "") draft.add({ op: "link", path: target, to: entry.link, ...isRoot });
    return draft.done(path);
  }
  const file = open(tree, path);
  if (typeof file !== "number") {
    if (file) draft.fail(path, file.message);
    return draft.done(path); // a file that has vanished is reported by itself
  }
  try {
    const { size, mode } = fstatSync(file);
    if (size <= BYTES) {
      const content = readAt(file, 0, size);
      draft.add({ op: "file", path: target, mode: mode & 0o7777, size: content.length, ...isRoot }, content);
      return draft.done(path);
    }
    const token = randomBytes(6).toString("hex");
    let current = draft;
    for (let offset = 0; offset < size; ) {
      const content = readAt(file, offset, BYTES);
      if (content.length === 0) break;
      current.add({ op: "part", path: target, size: content.length, offset, token }, content);
      offset += content.length;
      const last = current;
      current = new Draft();
      last.next = current;
      yield last;
    }
    current.add({ op: "finish", path: target, mode: mode & 0o7777, token, ...isRoot });
    current.done(path);
  } finally {
    closeSync(file);
  }
}

/** A descriptor; undefined if the file has vanished; the error if it cannot be read. */
function open(tree: HostTree, path: string): number | Error | undefined {
  const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
  try {
    const fd = openSync(join(tree.rule.root, path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (fstatSync(fd).isFile()) return fd;
    closeSync(fd);
    return undefined;
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    return error instanceof Error ? error : new Error(messageOf(error));
  }
}

function readAt(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let at = 0;
  for (let count = -1; at < length && count !== 0; at += count)
    count = readSync(fd, bytes, at, length - at, offset + at);
  return bytes.subarray(0, at);
}
