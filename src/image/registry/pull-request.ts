/** What a pull is asked for, and what it tells meanwhile. */
import type { Reference } from "../../core/image-reference.ts";
import type { Platform } from "../model/platform.ts";
import type { Credentials } from "./credentials.ts";

/** What happens to one layer; sizes in bytes. */
export interface PullProgress {
  /** Of the layer. */
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
  /** What its layers may still unpack to together (bounds.ts). */
  budget?: SharedArrayBuffer | undefined;
}
