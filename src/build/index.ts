/** The interface of builds: Dockerfiles, and changes to images' configs in their syntax. */
export type { Builder } from "./build.ts";
export type { FindImage } from "./build-context.ts";
export { CacheMounts } from "./cache/cache-mounts.ts";
export { readCacheSource, readCacheTarget } from "./cache/cache-option.ts";
export { StepStore } from "./cache/step-store.ts";
export { changedConfig } from "./changes.ts";
export { readIgnore } from "./ignore.ts";
export type { GitAccess, GitRepositories } from "./sources/git.ts";
export { type GitUrl, isGitUrl, parseGitUrl } from "./sources/git-url.ts";
export { KeptRepositories } from "./sources/kept-repositories.ts";
export { readFileSource, readSource } from "./sources/read-source.ts";
export type { BuildNews, BuildRequest, ContextSource } from "./types.ts";

/** Builds themselves, which few commands need. */
export const loadBuilder = () => import("./build.ts");
/** Work on file trees, in workers. */
export const loadTreeTasks = () => import("./tree/tasks.ts");
/** Checking Dockerfiles without building. */
export const loadChecker = () => import("./read-request.ts");
/** The host's git, which only builds from repositories and gitops need. */
export const loadGit = () => import("./sources/git.ts");
