/** The door of builds: Dockerfiles, and changes to images' configs in their language. */
export type { Builder } from "./build.ts";
export { changedConfig } from "./changes.ts";
export { ignoreLines } from "./ignore.ts";
export { type StepRecord, StepStore } from "./step-store.ts";
export type { BuildNews, BuildRequest, ContextSource } from "./types.ts";

/** Builds themselves, which few commands need. */
export const loadBuilder = () => import("./build.ts");
