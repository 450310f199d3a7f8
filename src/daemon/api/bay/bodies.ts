/**
 * Bodies of bay's own routes. The stack in them was read and checked by bay's own command; what is checked here
 * again is the shape that everything relies on, and the bounds of what the kernel is given.
 */
import { z } from "zod";
import type { ContainerConfig } from "../../../container/index.ts";
import type { PlanOptions } from "../../../reconcile/index.ts";
import type { Stack } from "../../../stack/index.ts";

const MOST_ENTRIES = 1000;
const LONGEST_TEXT = 1 << 20;

/** Names of stacks and services: no path can be made of them. */
const name = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, "expected letters, digits, _ . and -");
const text = z.string().max(LONGEST_TEXT);
const labels = bounded(z.record(z.string().max(4096), text));
const names = z.array(z.string().max(4096)).max(10_000);
const milliseconds = z
  .number()
  .min(0)
  .max(2 ** 31 - 1);
/** The client's process, for the messages of others. */
const pid = z.number().int().min(1).max(4_194_304).optional();
/** So many steps at once. */
const parallel = z.number().int().min(1).max(1000).optional();
const amount = z.number().min(0).max(Number.MAX_SAFE_INTEGER);

function bounded<S extends z.ZodType<Record<string, unknown>>>(schema: S): S {
  return schema.refine(
    (value) => Object.keys(value).length <= MOST_ENTRIES,
    `expected at most ${MOST_ENTRIES} entries`,
  ) as S;
}

/** Checks a value, and gives the very same: the order of its keys and what the schema does not name are kept. */
function asIs<T>(schema: z.ZodType) {
  return z.unknown().transform((value, context): T => {
    const { error } = schema.safeParse(value);
    for (const { path, message } of error?.issues ?? [])
      context.addIssue({ code: "custom", path, message: message.replace(/^Invalid input: /, "") });
    return value as T;
  });
}

const resources = z.looseObject({
  cpus: amount.optional(),
  cpuShares: z.number().int().min(0).max(262_144).optional(),
  cpuset: z.string().max(1024).optional(),
  memory: amount.optional(),
  memoryReservation: amount.optional(),
  memorySwap: z.number().min(-1).max(Number.MAX_SAFE_INTEGER).optional(),
  pids: z.number().int().min(-1).max(4_194_304).optional(),
});

/** Fields that services and changed containers have in common. */
const limits = {
  labels: labels.optional(),
  annotations: labels.optional(),
  resources: resources.optional(),
  shmSize: amount.optional(),
  stopGraceMs: milliseconds.optional(),
  oomScoreAdj: z.number().int().min(-1000).max(1000).optional(),
};

const service = z.looseObject({
  ...limits,
  name,
  image: z.string().min(1).max(4096),
  labels,
  resources,
  environment: bounded(z.record(z.string(), text)),
  mounts: z.array(z.looseObject({ target: z.string().max(4096) })).max(MOST_ENTRIES),
  ports: z.array(z.looseObject({})).max(10_000),
  networks: bounded(z.record(z.string(), z.looseObject({}))),
  replicas: z.number().int().min(0).max(10_000),
});

const parts = bounded(z.record(z.string().max(255), z.looseObject({ labels: labels.optional() })));

export const stackSchema = asIs<Stack>(
  z.looseObject({
    name,
    directory: z.string().max(4096),
    files: names,
    services: bounded(z.record(name, service)),
    disabled: names,
    networks: parts,
    volumes: parts,
    images: z.record(z.string().max(4096), z.looseObject({})),
    secrets: parts,
    configs: parts,
  }),
);

const planOptions = asIs<Partial<PlanOptions>>(
  z.looseObject({
    services: names.optional(),
    renewVolumes: z.boolean().optional(),
    rerun: names.optional(),
    scale: bounded(z.record(z.string().max(255), z.number().int().min(0).max(10_000))).optional(),
  }),
);

export const upBody = z.object({
  stack: stackSchema,
  options: planOptions.optional(),
  graceMs: milliseconds.optional(),
  pid,
  wait: z.boolean().optional(),
  waitTimeoutMs: milliseconds.optional(),
  parallel,
});

/** The stack comes from bay's own command over a socket that only root (and a named group) can open. */
export const downBody = z.object({
  name,
  volumes: z.boolean(),
  removeOrphans: z.boolean(),
  services: names.optional(),
  only: names.optional(),
  externalVolumes: names,
  parallel,
  pid,
  graceMs: milliseconds.optional(),
});

export const rollbackBody = z.object({
  /** The one before the last where it is absent. */
  revision: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  graceMs: milliseconds.optional(),
  pid,
});

const side = z.number().int().min(0).max(65535);

const override = asIs<Partial<ContainerConfig>>(
  z.looseObject({ ...limits, consoleSize: z.object({ height: side, width: side }).optional() }),
);

export const runBody = z.object({
  stack: stackSchema,
  service: z.string().max(255),
  name: name.min(2).optional(),
  override,
  /** Replaces the command, and the entry point where given. */
  command: z.array(text).max(10_000).optional(),
  entrypoint: z.array(text).max(10_000).optional(),
  servicePorts: z.boolean(),
  useAliases: z.boolean().optional(),
  labels: labels.optional(),
  /** Remove it with its anonymous volumes when it has ended, also where no client waits for it. */
  autoRemove: z.boolean().optional(),
  /** Start it too: the client has nothing to do in between. */
  start: z.boolean().optional(),
  /** Only where no `up` has to make something first; the answer says `needsUp` otherwise. */
  ifReady: z.boolean().optional(),
});
