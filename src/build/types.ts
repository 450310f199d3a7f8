/** The request of a build, and its progress. */
import type { ContainerConfig } from "../container/index.ts";
import type { CacheSource, CacheTarget } from "./cache/cache-option.ts";

/** The source of a build's files: its context, or one of --build-context. */
export type ContextSource =
  | { kind: "folder"; path: string }
  /** A git repository (git-url.ts). */
  | { kind: "git"; url: string }
  /** An archive, or a Dockerfile alone. */
  | { kind: "web"; url: string }
  /** An archive of this host. */
  | { kind: "archive"; path: string }
  /** An image: `docker-image://NAME`, or another service's. */
  | { kind: "image"; reference: string }
  /** An image in an OCI layout of this host. */
  | { kind: "layout"; path: string; reference: string | undefined };

/** A context with files. */
export type FileSource = Exclude<ContextSource, { kind: "image" | "layout" }>;

export interface BuildRequest {
  /** Undefined if there is none (only a Dockerfile on standard input). */
  context: FileSource | undefined;
  /** The Dockerfile's text and the name that errors show, or its path in a context that is still to be fetched. */
  dockerfile: DockerfileText | { path: string };
  /** Lines of .dockerignore; undefined has them read from the context. */
  ignore: string[] | undefined;
  target: string | undefined;
  args: Record<string, string>;
  contexts: Record<string, ContextSource>;
  labels: Record<string, string>;
  tags: string[];
  platform: string | undefined;
  cacheFrom: CacheSource[];
  cacheTo: CacheTarget[];
  noCache: boolean;
  /** Stages whose steps are not taken from the cache. */
  noCacheFilter: string[];
  /** Pull the stages' images again. */
  pull: boolean;
  network: "bridge" | "host" | "none";
  extraHosts: string[];
  shmSize: number | undefined;
  ulimits: ContainerConfig["ulimits"];
  /** By ID: a file's path, or a variable's value. */
  secrets: Record<string, { file: string } | { value: string }>;
  /** By ID: the socket of an agent. */
  ssh: Record<string, string>;
  /** RUN --security=insecure is allowed. */
  insecure: boolean;
  /** RUN --network=host is allowed. */
  hostNetwork: boolean;
}

export interface DockerfileText {
  source: string;
  file: string;
}

/** A request whose Dockerfile has been read. */
export type ReadRequest = BuildRequest & { dockerfile: DockerfileText; ignore: string[] };

/** The progress of one step. */
export interface BuildNews {
  /** Equal for all progress of one step. */
  step: number;
  kind: "started" | "cached" | "output" | "done" | "failed" | "note";
  /** `[build 2/5] RUN make`. */
  title: string;
  text?: string;
  seconds?: number;
}

/** SOURCE_DATE_EPOCH (reproducible-builds.org): seconds since 1970. */
export function epochOf({ args }: BuildRequest): number | undefined {
  const epoch = args.SOURCE_DATE_EPOCH;
  return epoch !== undefined && /^\d+$/.test(epoch) ? Number(epoch) : undefined;
}
