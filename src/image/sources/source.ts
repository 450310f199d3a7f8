/** Where an image comes from, as the stack file's top-level `images:` says it. */

import type { RunConfig } from "../model/manifest.ts";
import type { AptPackages } from "./apt/packages.ts";

export type ImageSource = (
  | { kind: "host"; entries: string[]; users: string[] }
  | { kind: "rootfs"; path: string }
  | { kind: "archive"; path: string; reference: string | undefined }
  | ({ kind: "apt" } & AptPackages)
) & {
  /** The folder that relative paths are in. */
  base: string;
  /** What the image's config says: entrypoint, command, environment … */
  config: RunConfig;
};
