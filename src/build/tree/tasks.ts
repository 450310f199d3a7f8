/** Work on trees of files, which workers do (tree-worker.ts): looking through a source, and filling a new layer from it. */
import { availableParallelism } from "node:os";
import { WorkerPool } from "../../image/index.ts";

/** Where files come from. */
export type TreeRoot =
  /** A folder of the host: the build's context. Owners do not count there. */
  | {
      kind: "folder";
      path: string;
      /** It goes when the build ends, so that nothing is noted of it. */
      isPassing?: boolean;
    }
  /** Layers over each other, the topmost first. */
  | { kind: "layers"; directory: string; lower: string[]; staging: string };

/** A new layer, and what it lies over. */
export interface LayerTarget {
  directory: string;
  lower: string[];
  upper: string;
  work: string;
  staging: string;
}

export type TreeTarget =
  | LayerTarget
  /** A folder of the host as it is. */
  | { folder: string; staging: string };

export interface Owner {
  uid: number;
  gid: number;
}

/** Which files of a source are meant. */
export interface Selection {
  root: TreeRoot;
  /** Paths, relative to the root, with wildcards as Go's filepath.Match has them. */
  sources: string[];
  /** Patterns of .dockerignore, relative to the root. */
  ignore: string[];
  /** Patterns of --exclude, relative to each source that is a directory. */
  excludes: string[];
}

/** A path as a source that is not a pattern. */
export const literal = (path: string): string => path.replace(/[\\*?[]/g, "\\$&");

export interface CopyOptions {
  /** Absolute; a slash at its end says that it is a directory. */
  target: string;
  /** Undefined keeps what the source has; a folder's files are root's. */
  owner: Owner | undefined;
  /** What --chmod says, in octal or in letters. */
  mode: string | undefined;
  /** Keep the folders that a source is in (COPY --parents). */
  parents: boolean;
  /** Unpack archives (ADD). */
  unpack: boolean;
  /** Seconds since 1970: no file is younger, and what is made new is of then. */
  newest: number | undefined;
}

export type TreeTask =
  /** Answers with a digest of everything that counts in what is selected. */
  | { kind: "digest"; selection: Selection; cacheFile: string | undefined }
  /** Copies what is selected into the new layer. Answers with nothing. */
  | { kind: "copy"; selection: Selection; into: TreeTarget; options: CopyOptions }
  /** Writes files that are given. */
  | {
      kind: "write";
      into: TreeTarget;
      files: { name: string; content: string }[];
      options: CopyOptions;
    }
  /** Writes the whole of layers as a tar archive into a new file of the host. */
  | { kind: "archive"; root: Extract<TreeRoot, { kind: "layers" }>; file: string }
  /** Makes a directory where none is. */
  | { kind: "directory"; into: TreeTarget; path: string; owner: Owner };

/** Who builds, builds again soon, and a worker takes longer to start than most tasks. */
const IDLE_TIME = 30_000;
const pool = new WorkerPool<TreeTask>("tree-worker", Math.max(2, availableParallelism()), IDLE_TIME);

/** Throws BAD_SOURCE, NOT_FOUND, BAD_TARGET, and what the system says (ENOSPC). */
export const runTreeTask = (task: TreeTask): Promise<string> => pool.run(task);
