/** A service's `build:` as what a build is asked for: its Dockerfile read, its .dockerignore too. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { type BuildRequest, ignoreLines } from "../build/index.ts";
import { BayError } from "../errors.ts";
import type { Service } from "../stack/index.ts";

export interface BuildChanges {
  noCache?: boolean;
  pull?: boolean;
  /** Laid over the file's. */
  args?: Record<string, string>;
}

/** Throws NO_CONTEXT, NO_DOCKERFILE. */
export function toBuildRequest({ name, image, build }: Service, changes: BuildChanges = {}): BuildRequest {
  if (!build) throw new BayError("NO_BUILD", `service ${name} is not built`, { hint: "give it a build:" });
  const { context } = build;
  if (!statSync(context, { throwIfNoEntry: false })?.isDirectory())
    throw new BayError("NO_CONTEXT", `service ${name}: the build's folder ${context} does not exist`);
  const dockerfile = build.dockerfile === undefined ? undefined : resolve(context, build.dockerfile);
  return {
    context,
    dockerfile:
      dockerfile === undefined
        ? { source: build.inline!, file: `services.${name}.build.dockerfile_inline` }
        : { source: readDockerfile(name, dockerfile), file: dockerfile },
    ignore: readIgnore(context, dockerfile),
    target: build.target,
    args: { ...build.args, ...changes.args },
    contexts: Object.fromEntries(
      Object.entries(build.contexts).map(([key, value]) => {
        const reference = /^docker-image:\/\/(.+)$/.exec(value)?.[1];
        return [key, reference ? { kind: "image", reference } : { kind: "folder", path: value }];
      }),
    ),
    labels: build.labels,
    tags: [image, ...build.tags],
    platform: build.platform,
    noCache: changes.noCache ?? build.noCache,
    noCacheFilter: [],
    pull: changes.pull ?? build.pull,
    network: build.network,
    extraHosts: build.extraHosts,
    shmSize: build.shmSize,
    ulimits: build.ulimits,
    secrets: {},
    ssh: build.ssh,
    insecure: build.insecure,
  };
}

function readDockerfile(service: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new BayError("NO_DOCKERFILE", `service ${service}: the Dockerfile ${file} cannot be read`, {
      cause,
    });
  }
}

/** Lines of the Dockerfile's own ignore file, else of the folder's. */
export function readIgnore(context: string, dockerfile: string | undefined): string[] {
  const own = dockerfile === undefined ? undefined : `${dockerfile}.dockerignore`;
  const file = [own, join(context, ".dockerignore")].find((each) => each !== undefined && existsSync(each));
  return file === undefined ? [] : ignoreLines(readFileSync(file, "utf8"));
}
