/** What a build is asked for, and what it tells on its way. */
import type { ContainerConfig } from "../container/index.ts";

/** A context by name: the folder of a build, or one of --build-context. */
export type ContextSource =
  | { kind: "folder"; path: string }
  /** An image: `docker-image://NAME`, or another service's. */
  | { kind: "image"; reference: string };

export interface BuildRequest {
  /** The folder, or undefined where there is none (a Dockerfile on standard input alone). */
  context: string | undefined;
  /** The Dockerfile's text, and the name that errors show. */
  dockerfile: { source: string; file: string };
  /** Lines of .dockerignore. */
  ignore: string[];
  target: string | undefined;
  args: Record<string, string>;
  contexts: Record<string, ContextSource>;
  labels: Record<string, string>;
  tags: string[];
  platform: string | undefined;
  noCache: boolean;
  /** Stages whose steps are not taken from the cache. */
  noCacheFilter: string[];
  /** Pull the stages' images anew. */
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
}

/** News of one step. */
export interface BuildNews {
  /** The same for all news of one step. */
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
