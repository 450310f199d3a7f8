/** The options of a pull, and its progress reports. */
import type { Reference } from "../../core/image-reference.ts";
import type { Platform } from "../model/platform.ts";
import type { Credentials } from "./credentials.ts";

/** Progress of one layer; sizes in bytes. */
export interface PullProgress {
  /** The digest of the layer. */
  digest: string;
  status: "waiting" | "downloading" | "unpacking" | "exists" | "done";
  current?: number;
  total?: number;
}

export interface PullRequest {
  reference: Reference;
  platform: Platform;
  credentialsOf: (host: string) => Promise<Credentials | undefined>;
  onProgress?: (progress: PullProgress) => void;
  signal?: AbortSignal | undefined;
  /** The bytes that its layers may still unpack to together (bounds.ts). */
  budget?: SharedArrayBuffer | undefined;
}
