/** bay's own route for builds: a request in JSON, news of the steps, and the image at the end. */
import { z } from "zod";
import type { BuildNews } from "../../build/index.ts";
import { BayError, messageOf } from "../../errors.ts";
import type { ImageRecord } from "../../image/index.ts";
import type { Stack } from "../../stack/index.ts";
import { type Call, type Route, route, startStream } from "../http.ts";
import type { Services } from "../server.ts";
import { readIgnore } from "../stack-build.ts";

const path = z.string().startsWith("/");
const texts = z.record(z.string(), z.string());

const requestSchema = z.object({
  context: path.optional(),
  /** `path` is where it lies, for the ignore file beside it. */
  dockerfile: z.object({ source: z.string().max(4 << 20), file: z.string(), path: path.optional() }),
  target: z.string().optional(),
  args: texts.default({}),
  contexts: z
    .record(
      z.string(),
      z.union([
        z.object({ kind: z.literal("folder"), path }),
        z.object({ kind: z.literal("image"), reference: z.string() }),
      ]),
    )
    .default({}),
  labels: texts.default({}),
  tags: z.array(z.string()).default([]),
  platform: z.string().optional(),
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
});

export type BuildBody = z.input<typeof requestSchema>;

/** A line of the answer. */
export type BuildLine =
  | { news: BuildNews }
  | { image: { id: string; digest: string } }
  | { error: { code: string; message: string; hint?: string } };

const changesSchema = z.object({
  noCache: z.boolean().optional(),
  pull: z.boolean().optional(),
  args: texts.optional(),
});

/** The stack comes from bay's own command. */
export interface StackBuildBody {
  stack: Stack;
  service: string;
  changes: { noCache?: boolean; pull?: boolean; args?: Record<string, string> };
}

export function buildRoutes({ builder, manager, stacks }: Services): Route[] {
  return [
    route("POST", "/bay/v1/stack/build", async (call) => {
      const { stack, service, changes } = (await call.json()) as StackBuildBody;
      const { noCache, pull, args } = changesSchema.parse(changes);
      const wanted = {
        ...(noCache === undefined ? {} : { noCache }),
        ...(pull === undefined ? {} : { pull }),
        ...(args ? { args } : {}),
      };
      await streamed(call, (tell, signal) => stacks.build(stack, service, wanted, tell, signal));
    }),
    route("POST", "/bay/v1/build", async (call) => {
      const parsed = requestSchema.safeParse(await call.json());
      if (!parsed.success) {
        const [issue] = parsed.error.issues;
        throw new BayError("BAD_REQUEST", `${issue?.path.join(".")}: ${issue?.message}`);
      }
      const { context, target, platform, shmSize, dockerfile } = parsed.data;
      const ignore = context === undefined ? [] : readIgnore(context, dockerfile.path);
      await streamed(call, async (tell, signal) => {
        const image = await (await builder()).build(
          { ...parsed.data, context, target, platform, shmSize, ignore },
          tell,
          signal,
        );
        manager.events.publish("image", "build", image.id, { name: image.reference });
        return image;
      });
    }),
  ];
}

/** Lines of news, then the image or an error. */
async function streamed(
  { response }: Call,
  action: (tell: (news: BuildNews) => void, signal: AbortSignal) => Promise<ImageRecord>,
): Promise<void> {
  const write = startStream(response) as (line: BuildLine) => void;
  const abort = new AbortController();
  response.on("close", () => response.writableFinished || abort.abort());
  try {
    const image = await action((news) => write({ news }), abort.signal);
    write({ image: { id: image.id, digest: image.manifest.digest } });
  } catch (error) {
    const { code = "INTERNAL", hint } = error instanceof BayError ? error : {};
    const message = error instanceof BayError ? error.message : messageOf(error);
    write({ error: { code, message, ...(hint ? { hint } : {}) } });
  }
  response.end();
}
