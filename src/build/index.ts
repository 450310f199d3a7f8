/** The door of builds: Dockerfiles, and changes to images' configs in their language. */
export { changedConfig } from "./changes.ts";
