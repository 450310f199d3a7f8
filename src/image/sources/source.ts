/** The source of an image, as the stack file's top-level `images:` defines it. */

import type { AptPackages } from "../../core/apt-packages.ts";
import type { RunConfig } from "../model/manifest.ts";

export type ImageSource = (
  | { kind: "host"; entries: string[]; users: string[] }
  | { kind: "rootfs"; path: string }
  | { kind: "archive"; path: string; reference: string | undefined }
  | ({ kind: "apt" } & AptPackages)
) & {
  /** The directory of relative paths. */
  base: string;
  /** The image's config: entrypoint, command, environment … */
  config: RunConfig;
};
