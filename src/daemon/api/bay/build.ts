/** bay's own route for builds: a JSON request, news of the steps, and the image at the end. */
import { z } from "zod";
import type { BuildNews, BuildRequest } from "../../../build/index.ts";
import type { Stack } from "../../../stack/index.ts";
import { ignoreOf } from "../../stacks/build-request.ts";
import { errorAnswer } from "../error-status.ts";
import { type Call, goneSignal, type Route, route, startStream } from "../http.ts";
import type { Services } from "../server.ts";
import { stackSchema } from "./bodies.ts";
import { buildServices } from "./build-services.ts";

const path = z.string().startsWith("/");
const texts = z.record(z.string(), z.string());

const fileSource = z.union([
  z.object({ kind: z.literal("folder"), path }),
  z.object({ kind: z.literal("archive"), path }),
  z.object({ kind: z.literal("git"), url: z.string().max(4096) }),
  z.object({ kind: z.literal("web"), url: z.string().max(4096) }),
]);

const cacheSource = z.union([
  z.object({ kind: z.literal("registry"), reference: z.string() }),
  z.object({ kind: z.literal("local"), path }),
]);
const cacheTarget = { mode: z.enum(["min", "max"]), ignoreError: z.boolean() };

const requestSchema = z.object({
  context: fileSource.optional(),
  dockerfile: z.union([
    /** `path` is the path of the Dockerfile, for the ignore file beside it. */
    z.object({ source: z.string().max(4 << 20), file: z.string(), path: path.optional() }),
    /** In a context that has not been fetched yet; empty for the default names. */
    z.object({ inContext: z.string() }),
  ]),
  target: z.string().optional(),
  args: texts.default({}),
  contexts: z
    .record(
      z.string(),
      z.union([
        ...fileSource.options,
        z.object({ kind: z.literal("image"), reference: z.string() }),
        z.object({ kind: z.literal("layout"), path, reference: z.string().optional() }),
      ]),
    )
    .default({}),
  labels: texts.default({}),
  tags: z.array(z.string()).default([]),
  platform: z.string().optional(),
  cacheFrom: z.array(cacheSource).default([]),
  cacheTo: z
    .array(
      z.union([
        ...cacheSource.options.map((option) => option.extend(cacheTarget)),
        z.object({ kind: z.literal("inline"), ...cacheTarget }),
      ]),
    )
    .default([]),
  noCache: z.boolean().default(false),
  noCacheFilter: z.array(z.string()).default([]),
  pull: z.boolean().default(false),
  network: z.enum(["bridge", "host", "none"]).default("bridge"),
  extraHosts: z.array(z.string()).default([]),
  shmSize: z.number().optional(),
  ulimits: z.record(z.string(), z.object({ soft: z.number(), hard: z.number() })).default({}),
  secrets: z
    .record(z.string(), z.union([z.object({ file: path }), z.object({ value: z.string() })]))
    .default({}),
  ssh: texts.default({}),
  insecure: z.boolean().default(false),
  hostNetwork: z.boolean().default(false),
});

export type BuildBody = z.input<typeof requestSchema>;

/** A line of the response. */
export type BuildLine =
  | { news: BuildNews }
  | { image: { id: string; digest: string; service?: string } }
  | { error: { code: string; message: string; hint?: string } };

const changesSchema = z.object({
  noCache: z.boolean().optional(),
  pull: z.boolean().optional(),
  args: texts.optional(),
  ssh: texts.optional(),
});

const stackBuildSchema = z.object({
  stack: stackSchema,
  services: z.array(z.string()),
  changes: changesSchema,
});

/** The stack comes from bay's own command. */
export interface StackBuildBody {
  stack: Stack;
  services: string[];
  changes: { noCache?: boolean; pull?: boolean; args?: Record<string, string>; ssh?: Record<string, string> };
}

export function buildRoutes({ builder, manager, stacks }: Services): Route[] {
  return [
    route("POST", "/bay/v1/stack/build", async (call) => {
      const { stack, services, changes } = await call.ownBody(stackBuildSchema);
      const { noCache, pull, args, ssh } = changes;
      const wanted = {
        ...(noCache === undefined ? {} : { noCache }),
        ...(pull === undefined ? {} : { pull }),
        ...(args ? { args } : {}),
        ...(ssh ? { ssh } : {}),
      };
      await streamed(call, async (write, signal) => {
        const tell = (news: BuildNews) => write({ news });
        await buildServices(services, stack, tell, signal, async (service, tellOfIt, signalOfIt) => {
          const { id, manifest } = await stacks.images.build(stack, service, wanted, tellOfIt, signalOfIt);
          write({ image: { id, digest: manifest.digest, service } });
        });
      });
    }),
    route("POST", "/bay/v1/build", async (call) => {
      const body = await call.ownBody(requestSchema);
      await streamed(call, async (write, signal) => {
        const tell = (news: BuildNews) => write({ news });
        const image = await (await builder()).build(requestOf(body), tell, signal);
        manager.events.publish("image", "build", image.id, { name: image.reference });
        write({ image: { id: image.id, digest: image.manifest.digest } });
      });
    }),
  ];
}

function requestOf(body: z.output<typeof requestSchema>): BuildRequest {
  const { context, dockerfile, target, platform, shmSize, contexts } = body;
  const isFolder = context?.kind === "folder";
  const isGiven = "source" in dockerfile;
  return {
    ...body,
    context,
    dockerfile: isGiven ? dockerfile : { path: dockerfile.inContext },
    ignore: isFolder ? ignoreOf(context.path, isGiven ? dockerfile.path : undefined) : undefined,
    contexts: Object.fromEntries(
      Object.entries(contexts).map(([name, source]) => [
        name,
        source.kind === "layout" ? { ...source, reference: source.reference } : source,
      ]),
    ),
    target,
    platform,
    shmSize,
  };
}

/** Sends lines of news and images, and at the end the error if there is one. */
async function streamed(
  { response }: Call,
  action: (write: (line: BuildLine) => void, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const write = startStream(response) as (line: BuildLine) => void;
  try {
    await action(write, goneSignal(response));
  } catch (error) {
    write({ error: errorAnswer(error).body });
  }
  response.end();
}
