/** The body of `POST /commit` (Docker Engine API 1.47, ImageCommit): the config of the new image. */
import { z } from "zod";
import type { RunConfig } from "../../../image/index.ts";

const text = z.string().max(4096);
const texts = z
  .array(z.string().max(1 << 20))
  .max(10_000)
  .optional();
const keys = z.record(text, z.looseObject({})).optional();
const nanoseconds = z.number().int().min(0).optional();

/** Clients send the whole config of a container; the fields that an image has are read. */
export const commitBody = z.object({
  Cmd: texts,
  Entrypoint: texts,
  Env: texts,
  ExposedPorts: keys,
  Healthcheck: z
    .object({
      Test: texts,
      Interval: nanoseconds,
      Timeout: nanoseconds,
      StartPeriod: nanoseconds,
      StartInterval: nanoseconds,
      Retries: z.number().int().min(0).optional(),
    })
    .optional(),
  Labels: z.record(text, z.string().max(1 << 20)).optional(),
  OnBuild: texts,
  Shell: texts,
  StopSignal: text.optional(),
  User: text.optional(),
  Volumes: keys,
  WorkingDir: text.optional(),
});

const nameOf = (variable: string) => variable.split("=", 1)[0]!;

/**
 * Adds the container's config for what the body leaves out. As in Docker, an empty value counts as left out, but an empty
 * Entrypoint removes the container's, and a new Entrypoint does not get the arguments of the old one: without Cmd, there is
 * none.
 */
export function committedConfig(body: z.output<typeof commitBody>): (before: RunConfig) => RunConfig {
  return (before) => {
    const given = Object.entries(body).filter(
      ([, value]) => value !== undefined && value !== "" && Object.keys(value).length > 0,
    );
    const { Cmd, Entrypoint, ...others } = before;
    const isNewProgram = (body.Entrypoint ?? []).length > 0;
    const own = new Set((body.Env ?? []).map(nameOf));
    return {
      ...others,
      ...(isNewProgram || Cmd === undefined ? {} : { Cmd }),
      ...(body.Entrypoint || Entrypoint === undefined ? {} : { Entrypoint }),
      ...Object.fromEntries(given),
      Env: [...(body.Env ?? []), ...(before.Env ?? []).filter((entry) => !own.has(nameOf(entry)))],
      ExposedPorts: { ...before.ExposedPorts, ...body.ExposedPorts },
      Volumes: { ...before.Volumes, ...body.Volumes },
      Labels: { ...before.Labels, ...body.Labels },
    };
  };
}
