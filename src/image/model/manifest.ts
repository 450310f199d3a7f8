/** Parses manifests and configs of images (OCI image specification, Docker image manifest v2 schema 2). */
import { z } from "zod";
import { BayError } from "../../core/errors.ts";

/** Digests become names of files and directories, so nothing else is accepted as one. */
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, { error: "expected sha256: and 64 hex digits" });

const descriptor = z.object({
  mediaType: z.string().default("application/octet-stream"),
  digest,
  size: z.number().int().nonnegative(),
  annotations: z.record(z.string(), z.string()).optional(),
  /** The URLs of a foreign layer, which registries may not distribute. */
  urls: z.array(z.string()).max(20).optional(),
  platform: z.object({ architecture: z.string(), os: z.string(), variant: z.string().optional() }).optional(),
});

/** A field of the other kind of document: two tools could resolve one digest to different images (CVE-2021-41190). */
const absent = z.null({ error: "a document is either a manifest or an index" }).optional();

const manifestSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z
    .string()
    .refine((type) => !MEDIA.isIndex(type), "a manifest cannot have the media type of an index")
    .optional(),
  config: descriptor,
  layers: z.array(descriptor).max(500),
  manifests: absent,
  fsLayers: absent,
});

const indexSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z
    .string()
    .refine((type) => !MEDIA.isManifest(type), "an index cannot have the media type of a manifest")
    .optional(),
  manifests: z.array(descriptor).max(1000),
  config: absent,
  layers: absent,
  fsLayers: absent,
});

const nanoseconds = z.number().optional();
/** Additional fields of other tools are kept when the config is written again. */
const runConfigSchema = z.looseObject({
  User: z.string().optional(),
  ExposedPorts: z.record(z.string(), z.unknown()).nullish(),
  Env: z.array(z.string()).nullish(),
  Entrypoint: z.array(z.string()).nullish(),
  Cmd: z.array(z.string()).nullish(),
  Volumes: z.record(z.string(), z.unknown()).nullish(),
  WorkingDir: z.string().optional(),
  Labels: z.record(z.string(), z.string()).nullish(),
  StopSignal: z.string().optional(),
  OnBuild: z.array(z.string()).nullish(),
  Shell: z.array(z.string()).nullish(),
  Healthcheck: z
    .object({
      Test: z.array(z.string()).nullish(),
      Interval: nanoseconds,
      Timeout: nanoseconds,
      StartPeriod: nanoseconds,
      StartInterval: nanoseconds,
      Retries: z.number().optional(),
    })
    .nullish(),
});

const configSchema = z.looseObject({
  created: z.string().optional(),
  author: z.string().optional(),
  architecture: z.string(),
  os: z.string(),
  variant: z.string().optional(),
  config: runConfigSchema.nullish(),
  rootfs: z.object({ type: z.literal("layers"), diff_ids: z.array(digest).max(500) }),
  history: z
    .array(
      z.looseObject({
        created: z.string().optional(),
        created_by: z.string().optional(),
        comment: z.string().optional(),
        empty_layer: z.boolean().optional(),
      }),
    )
    .nullish(),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ImageIndex = z.infer<typeof indexSchema>;
export type ImageConfig = z.infer<typeof configSchema>;
export type RunConfig = z.infer<typeof runConfigSchema>;

/** The default of images and processes that set no PATH. */
export const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export const MEDIA = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  gzipLayer: "application/vnd.oci.image.layer.v1.tar+gzip",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  /** Layers that are downloaded from the URLs of their descriptors, and never pushed. */
  isForeign: (mediaType: string): boolean => /\.(foreign|nondistributable)\./.test(mediaType),
  isIndex: (mediaType: string): boolean => mediaType === MEDIA.index || mediaType === MEDIA.dockerList,
  isManifest: (mediaType: string): boolean =>
    mediaType === MEDIA.manifest || mediaType === MEDIA.dockerManifest,
} as const;

/** Fields that determine the kind of a document. Go's decoder, which other tools use, ignores case. */
const KEYS = ["schemaVersion", "mediaType", "config", "layers", "manifests", "fsLayers"];

function checkKeys(json: unknown, what: string): void {
  if (typeof json !== "object" || json === null) return;
  for (const key of Object.keys(json))
    if (!KEYS.includes(key) && KEYS.some((known) => known.toLowerCase() === key.toLowerCase()))
      throw new BayError("BAD_MANIFEST", `${what}: ambiguous field ${JSON.stringify(key)}`);
}

/**
 * Returns the media type of a document, given the types that a header or a descriptor declare. The document's own type takes
 * precedence, as long as all agree whether it is a manifest or an index. Throws BAD_MANIFEST.
 */
export function agreedType(own: string | undefined, declared: readonly (string | undefined)[]): string {
  const known = [own, ...declared].filter((type) => type !== undefined && type !== "") as string[];
  const index = known.find((type) => MEDIA.isIndex(type));
  const manifest = known.find((type) => MEDIA.isManifest(type));
  if (index && manifest)
    throw new BayError("BAD_MANIFEST", `the media types ${index} and ${manifest} of the document differ`);
  return own ?? known[0] ?? "application/octet-stream";
}

function parse<T>(schema: z.ZodType<T>, bytes: Buffer, what: string): T {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new BayError("BAD_MANIFEST", `${what} is not JSON`, { cause });
  }
  checkKeys(json, what);
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new BayError("BAD_MANIFEST", `${what}: ${issue?.path.join(".")}: ${issue?.message}`);
}

/** Throws BAD_MANIFEST, naming the field. */
export const parseManifest = (bytes: Buffer): Manifest =>
  parse(manifestSchema, bytes, "the image's manifest");
export const parseIndex = (bytes: Buffer): ImageIndex => parse(indexSchema, bytes, "the image index");
export const parseImageConfig = (bytes: Buffer): ImageConfig =>
  parse(configSchema, bytes, "the image's config");
