/** The root of a container, which a worker enters: all its paths then resolve as in the container itself. */
import { closeSync, existsSync, mkdirSync, openSync, statSync } from "node:fs";
import { posix } from "node:path";
import {
  close,
  confineTo,
  enterRootOf,
  mountOverlay,
  openTree,
  privateMounts,
  putTree,
} from "../../linux/index.ts";

export type ContainerRoot =
  | { kind: "process"; pidfd: number }
  | {
      kind: "overlay";
      target: string;
      lower: string[];
      upper: string;
      work: string;
      /** Volumes and binds, which a copy into a stopped container includes. */
      mounts: { source: string; target: string; readOnly: boolean }[];
    }
  /** Stacked directories, read-only: the writable layer may be in use. */
  | { kind: "layers"; target: string; lower: string[] };

/** Makes a container's root the root of this thread. The caller unmounts procfs (`withoutProc`). */
export function enterRoot(root: ContainerRoot): void {
  if (root.kind === "process") return enterRootOf(root.pidfd);
  if (root.kind === "layers") {
    privateMounts();
    mountOverlay(root.target, { lower: root.lower });
    return confineTo(root.target);
  }
  const { target, lower, upper, work, mounts } = root;
  privateMounts();
  mountOverlay(target, { lower, writable: { upper, work } });
  const trees: { fd: number; place: string; isDirectory: boolean }[] = [];
  try {
    for (const mount of mounts.toSorted((a, b) => a.target.length - b.target.length)) {
      if (!existsSync(mount.source)) continue;
      const isDirectory = statSync(mount.source).isDirectory();
      trees.push({ fd: openTree(mount.source, mount.readOnly), place: mount.target, isDirectory });
    }
    confineTo(target);
    for (const { fd, place, isDirectory } of trees) {
      mkdirSync(isDirectory ? place : posix.dirname(place), { recursive: true });
      if (!isDirectory) closeSync(openSync(place, "a"));
      putTree(fd, place);
    }
  } finally {
    // an open one keeps the volume mounted, even if another one could not be attached
    for (const { fd } of trees) close(fd);
  }
}
