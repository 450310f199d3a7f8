/** Platforms: `OS/ARCHITECTURE[/VARIANT]`, and the choice of a manifest for one (image-spec image-index.md). */
import { BayError } from "../../core/errors.ts";
import type { Descriptor } from "../store/content-store.ts";

export interface Platform {
  os: string;
  architecture: string;
  variant?: string | undefined;
}

const NAMES: Record<string, string> = {
  x64: "amd64",
  x86_64: "amd64",
  aarch64: "arm64",
  ia32: "386",
  armhf: "arm",
};
/** The default variant of an architecture. */
const DEFAULT_VARIANT: Record<string, string> = { arm64: "v8", arm: "v7" };
/** The platform that an image index gives to entries that are not images, such as attestations. */
const UNKNOWN = "unknown";

/** This machine's platform. */
export function hostPlatform(): Platform {
  return { os: "linux", architecture: NAMES[process.arch] ?? process.arch };
}

/** Parses `linux/arm64/v8`, `arm64` or `linux`; undefined is this machine's. Throws BAD_PLATFORM. */
export function parsePlatform(text: string | undefined): Platform {
  if (!text) return hostPlatform();
  const parts = text.toLowerCase().split("/");
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9][a-z0-9._-]*$/.test(part)))
    throw new BayError("BAD_PLATFORM", `invalid platform ${JSON.stringify(text)}`, {
      hint: "expected OS/ARCHITECTURE, such as linux/amd64",
    });
  if (parts.length === 1) {
    const [only = ""] = parts;
    return only === "linux" ? hostPlatform() : { os: "linux", architecture: NAMES[only] ?? only };
  }
  const [os = "", architecture = "", variant] = parts;
  return { os, architecture: NAMES[architecture] ?? architecture, ...(variant ? { variant } : {}) };
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter(Boolean).join("/");
}

/** Whether programs for one platform run on the other; unnamed variants are ignored. */
export function samePlatform(a: Platform, b: Platform): boolean {
  if (a.os !== b.os || a.architecture !== b.architecture) return false;
  return a.variant === undefined || b.variant === undefined || variantOf(a) === variantOf(b);
}

const variantOf = ({ architecture, variant }: Platform) => variant ?? DEFAULT_VARIANT[architecture] ?? "";

/**
 * How well an offered platform matches a requested one: the same variant best, an older one of the architecture less;
 * undefined if it does not run there.
 */
function fitness(offered: Platform, wanted: Platform): number | undefined {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return undefined;
  const [has, wants] = [variantOf(offered), variantOf(wanted)];
  if (has === wants) return 100;
  const [older, newer] = [Number(/^v(\d+)/.exec(has)?.[1] ?? 0), Number(/^v(\d+)/.exec(wants)?.[1] ?? 0)];
  if (has === "") return 1;
  return older > 0 && older <= newer ? 1 + older : undefined;
}

/** Returns the manifest of an index for a platform. Throws NO_PLATFORM, naming the available ones. */
export function choosePlatform(
  manifests: readonly Descriptor[],
  wanted: Platform,
  whose: string,
): Descriptor {
  let best: { descriptor: Descriptor; score: number } | undefined;
  for (const descriptor of manifests) {
    // an index with a single entry without platform means that entry
    const score = descriptor.platform
      ? fitness(descriptor.platform, wanted)
      : manifests.length === 1
        ? 0
        : undefined;
    if (score !== undefined && (!best || score > best.score)) best = { descriptor, score };
  }
  if (best) return best.descriptor;
  const offered = manifests.flatMap(({ platform }) =>
    platform && platform.os !== UNKNOWN ? [formatPlatform(platform)] : [],
  );
  throw new BayError(
    "NO_PLATFORM",
    `${whose} has no image for ${formatPlatform(wanted)}; it has ${offered.join(", ") || "none"}`,
  );
}
