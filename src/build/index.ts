/** The door of builds: Dockerfiles, and changes to images' configs in their language. */
export type { Builder } from "./build.ts";
export { type CacheMountRecord, CacheMounts } from "./cache-mounts.ts";
export { changedConfig } from "./changes.ts";
export { ignoreLines } from "./ignore.ts";
export { isGitUrl } from "./sources/git-url.ts";
export { readFileSource, readSource } from "./sources/read-source.ts";
export { type StepRecord, StepStore } from "./step-store.ts";
export type { BuildNews, BuildRequest, ContextSource, FileSource } from "./types.ts";

/** Builds themselves, which few commands need. */
export const loadBuilder = () => import("./build.ts");
