/**
 * Bodies of bay's own routes. bay's own command has parsed and checked the stack in them. This checks again the shape that
 * all code relies on, and the bounds of values that are passed to the kernel.
 */

import { z } from "zod";
import type { ContainerConfig } from "../../../container/index.ts";
import { versionOf } from "../../../core/ip.ts";
import { LIMITS } from "../../../core/limits.ts";
import type { ResourceLimits } from "../../../core/resource-limits.ts";
import type { PlanOptions } from "../../../reconcile/index.ts";
import type { Stack } from "../../../stack/index.ts";

const MOST_ENTRIES = LIMITS.stack.parts;
const LONGEST_TEXT = LIMITS.stack.text;

/** The highest number of a container. */
const MOST_NUMBER = 2 ** 31 - 1;

/** Names of stacks and services: they cannot form a path. */
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
/** The client's process, for messages to other clients. */
const pid = z.number().int().min(1).max(4_194_304).optional();
/** How a stack that follows a repository is changed. */
const claim = z.enum(["take-over", "once"]).optional();
/** The most steps to run in parallel. */
const parallel = z.number().int().min(1).max(1000).optional();
const amount = z.number().min(0).max(Number.MAX_SAFE_INTEGER);

function bounded<S extends z.ZodType<Record<string, unknown>>>(schema: S): S {
  return schema.refine(
    (value) => Object.keys(value).length <= MOST_ENTRIES,
    `expected at most ${MOST_ENTRIES} entries`,
  ) as S;
}

/** Checks a value, and returns it unchanged, with the order of its keys and with keys that the schema does not name. */
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
} satisfies Record<keyof ResourceLimits, z.ZodType>);

/** Fields of both services and changed containers. */
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
  numbers: z.array(z.number().int().min(1).max(MOST_NUMBER)).max(10_000).optional(),
});

const parts = bounded(z.record(z.string().max(255), z.looseObject({ labels: labels.optional() })));

/** A definition has at most so many input files. */
const MOST_INPUTS = 100_000;
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, "expected a sha256 digest");
const input = z.tuple([z.string().max(4096), z.number(), z.number()]);

const port = z.number().int().min(1).max(65535);
const ingressPort = z.strictObject({
  service: name,
  hostAddress: z
    .string()
    .refine((given) => given === "" || versionOf(given) !== undefined, "expected an IP address"),
  hostPort: port,
  containerPort: port,
  protocol: z.enum(["tcp", "udp"]),
  networks: names,
});

const peerImage = z.strictObject({
  from: name,
  known: z.strictObject({ id: digest, manifest: digest }).optional(),
  made: z
    .strictObject({
      definition: text,
      base: z.string().max(4096),
      inputs: z.array(input).max(MOST_INPUTS),
    })
    .optional(),
});

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
    ingress: z.array(ingressPort).max(10_000).optional(),
    peerImages: bounded(z.record(z.string().max(4096), peerImage)).optional(),
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
  claim,
});

/** The stack comes from bay's own command over a socket that only root (and a named group) can open. */
export const downBody = z.object({
  name,
  volumes: z.boolean(),
  removeOrphans: z.boolean(),
  services: names.optional(),
  only: names.optional(),
  externalVolumes: names,
  namedVolumes: names.optional(),
  parallel,
  claim,
  pid,
  graceMs: milliseconds.optional(),
});

export const rollbackBody = z.object({
  /** Absent for the one before the last. */
  revision: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  graceMs: milliseconds.optional(),
  pid,
  claim,
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
  /** Replaces the command, and the entry point if given. */
  command: z.array(text).max(10_000).optional(),
  entrypoint: z.array(text).max(10_000).optional(),
  servicePorts: z.boolean(),
  useAliases: z.boolean().optional(),
  labels: labels.optional(),
  /** Remove it with its anonymous volumes when it has ended, even if no client waits for it. */
  autoRemove: z.boolean().optional(),
  /** Start it, too: the client has nothing to do before. */
  start: z.boolean().optional(),
  /** Only if `up` does not have to create something first; otherwise the response contains `needsUp`. */
  ifReady: z.boolean().optional(),
});
