/** Work on file trees, done by workers (tree-worker.ts): reading a source, and filling a new layer from it. */
import { availableParallelism } from "node:os";
import { WorkerPool } from "../../image/index.ts";

/** The source of files. */
export type TreeRoot =
  /** A directory of the host: the build's context. Its owners are ignored. */
  | {
      kind: "folder";
      path: string;
      /** It is removed when the build ends, so its digests are not recorded. */
      isPassing?: boolean;
    }
  /** Layers, the topmost first. */
  | { kind: "layers"; directory: string; lower: string[]; staging: string };

/** A new layer, and the layers below it. */
export interface LayerTarget {
  directory: string;
  lower: string[];
  upper: string;
  work: string;
  staging: string;
}

export type TreeTarget =
  | LayerTarget
  /** A directory of the host, unchanged. */
  | { folder: string; staging: string };

export interface Owner {
  uid: number;
  gid: number;
}

/** Selects files of a source. */
export interface Selection {
  root: TreeRoot;
  /** Paths, relative to the root, with wildcards as in Go's filepath.Match. */
  sources: string[];
  /** Patterns of .dockerignore, relative to the root. */
  ignore: string[];
  /** Patterns of --exclude, relative to each source that is a directory. */
  excludes: string[];
}

/** A path as a source, not a pattern. */
export const literal = (path: string): string => path.replace(/[\\*?[]/g, "\\$&");

export interface CopyOptions {
  /** Absolute; a slash at the end means a directory. */
  target: string;
  /** Undefined keeps the source's owners; files of a host directory belong to root. */
  owner: Owner | undefined;
  /** The value of --chmod, octal or symbolic. */
  mode: string | undefined;
  /** Keep the parent directories of a source (COPY --parents). */
  parents: boolean;
  /** Unpack archives (ADD). */
  unpack: boolean;
  /** Seconds since 1970: later times are reduced to it, and new files get it. */
  newest: number | undefined;
}

export type TreeTask =
  /** Returns a digest of the selected files. */
  | { kind: "digest"; selection: Selection; cacheFile: string | undefined }
  /** Copies the selected files into the new layer. Returns nothing. */
  | { kind: "copy"; selection: Selection; into: TreeTarget; options: CopyOptions }
  /** Writes files with given content. */
  | {
      kind: "write";
      into: TreeTarget;
      files: { name: string; content: string }[];
      options: CopyOptions;
    }
  /** Writes layers as a tar archive into a new file on the host. */
  | { kind: "archive"; root: Extract<TreeRoot, { kind: "layers" }>; file: string }
  /** Creates a directory if it does not exist. */
  | { kind: "directory"; into: TreeTarget; path: string; owner: Owner };

/** How long idle workers are kept: a user often builds again soon, and starting one takes longer than most tasks. */
const IDLE_TIME = 30_000;
const pool = new WorkerPool<TreeTask>("tree-worker", Math.max(2, availableParallelism()), IDLE_TIME);

/** Throws BAD_SOURCE, NOT_FOUND, BAD_TARGET, and the system's errors (ENOSPC). */
export const runTreeTask = (task: TreeTask): Promise<string> => pool.run(task);
