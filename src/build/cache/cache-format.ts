/**
 * A cache of build steps as an image: its layers are the steps' layers, and its config says which step made which. So
 * any registry can store it, and the config of an ordinary image can list its steps too ("inline").
 */
import { z } from "zod";
import { hostPlatform, type ImageConfig } from "../../image/index.ts";
import type { StepRecord } from "./step-store.ts";

/** The config's field. */
const FIELD = "bay.buildcache.v1";

const schema = z.object({
  steps: z
    .array(
      z.object({
        key: z.string().regex(/^[0-9a-f]{64}$/),
        description: z.string().max(100_000),
        createdAt: z.iso.datetime(),
        /** The layer; absent where the step changed no file. */
        diffId: z
          .string()
          .regex(/^sha256:[0-9a-f]{64}$/)
          .optional(),
      }),
    )
    .max(10_000),
});

export type CachedStep = z.infer<typeof schema>["steps"][number];

/** The steps in a config; empty if it has none, or if another version wrote them. */
export function cachedSteps(config: ImageConfig): CachedStep[] {
  const parsed = schema.safeParse(config[FIELD]);
  const known = new Set(config.rootfs.diff_ids);
  return (parsed.data?.steps ?? []).filter(({ diffId }) => diffId === undefined || known.has(diffId));
}

export interface PackedStep {
  record: StepRecord;
  diffId: string | undefined;
}

/** The config's entry for its steps. */
export function withSteps(config: ImageConfig, steps: readonly PackedStep[]): ImageConfig {
  const listed = steps.map(({ record: { key, description, createdAt }, diffId }) => ({
    key,
    description,
    createdAt,
    ...(diffId === undefined ? {} : { diffId }),
  }));
  return { ...config, [FIELD]: { steps: listed } };
}

/** The config of an image that is only a cache. */
export function cacheConfig(steps: readonly PackedStep[]): ImageConfig {
  const diffIds = [...new Set(steps.flatMap(({ diffId }) => diffId ?? []))];
  const config: ImageConfig = {
    ...hostPlatform(),
    config: {},
    rootfs: { type: "layers", diff_ids: diffIds },
    history: diffIds.map(() => ({ created_by: "bay build cache" })),
  };
  return withSteps(config, steps);
}
