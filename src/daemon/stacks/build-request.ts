/** Converts a service's `build:` to a build request; reads its Dockerfile and .dockerignore. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import {
  type BuildRequest,
  type ContextSource,
  readCacheSource,
  readCacheTarget,
  readFileSource,
  readIgnore,
  readSource,
} from "../../build/index.ts";
import { BayError } from "../../core/errors.ts";
import { type GivenContent, type Service, type Stack, serviceContext } from "../../stack/index.ts";

export interface BuildChanges {
  noCache?: boolean;
  pull?: boolean;
  /** Override those of the file. */
  args?: Record<string, string>;
  /** Sockets of SSH agents by ID, which override those of the file. */
  ssh?: Record<string, string>;
}

/** Converts a service's build. Throws NO_CONTEXT, NO_DOCKERFILE. */
export function toBuildRequest(
  { name, image, build }: Service,
  { services, secrets, directory }: Pick<Stack, "services" | "secrets" | "directory">,
  changes: BuildChanges = {},
): BuildRequest {
  if (!build)
    throw new BayError("NO_BUILD", `service ${name} is not built`, { hint: "add a build: section" });
  const context = sourceOf(name, () => readFileSource(build.context, "/"));
  const folder = context.kind === "folder" ? context.path : undefined;
  const dockerfile =
    build.dockerfile === undefined || folder === undefined ? undefined : resolve(folder, build.dockerfile);
  return {
    context,
    dockerfile:
      dockerfile !== undefined
        ? { source: readDockerfile(name, dockerfile), file: dockerfile }
        : build.inline !== undefined
          ? { source: build.inline, file: `services.${name}.build.dockerfile_inline` }
          : { path: build.dockerfile ?? "" },
    ignore: folder === undefined ? undefined : ignoreOf(folder, dockerfile),
    target: build.target,
    args: { ...build.args, ...changes.args },
    contexts: Object.fromEntries(
      Object.entries(build.contexts).map(([key, value]) => [key, contextOf(name, value, services)]),
    ),
    labels: build.labels,
    tags: [image, ...build.tags],
    platform: build.platform,
    cacheFrom: build.cacheFrom.map((text) => readCacheSource(text, directory)),
    cacheTo: build.cacheTo.map((text) => readCacheTarget(text, directory)),
    noCache: changes.noCache ?? build.noCache,
    noCacheFilter: build.noCacheFilter,
    pull: changes.pull ?? build.pull,
    network: build.network,
    extraHosts: build.extraHosts,
    shmSize: build.shmSize,
    ulimits: build.ulimits,
    secrets: Object.fromEntries(
      Object.entries(build.secrets).map(([id, source]) => [id, secretOf(source, secrets[source]!)]),
    ),
    ssh: { ...build.ssh, ...changes.ssh },
    insecure: build.insecure,
    // revisions of an earlier version lack it
    hostNetwork: build.hostNetwork ?? false,
  };
}

/** The source of a context: another service's image, or any other kind. */
function contextOf(service: string, value: string, services: Stack["services"]): ContextSource {
  const other = serviceContext(value);
  if (other !== undefined) return { kind: "image", reference: services[other]!.image };
  return sourceOf(service, () => readSource(value, "/"));
}

/** Throws NO_SECRET for a variable that is not set. */
function secretOf(name: string, secret: GivenContent): { file: string } | { value: string } {
  if ("file" in secret) return { file: secret.file };
  if ("content" in secret) return { value: secret.content };
  if (secret.value !== undefined) return { value: secret.value };
  throw new BayError("NO_SECRET", `the secret ${name}: the variable ${secret.environment} is not set`);
}

/** Adds the service to errors. */
function sourceOf<T>(service: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BayError)) throw error;
    const { code, message, hint } = error;
    throw new BayError(code, `service ${service}: ${message}`, { ...(hint ? { hint } : {}), cause: error });
  }
}

function readDockerfile(service: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT")
      throw new BayError("NO_DOCKERFILE", `service ${service}: the Dockerfile ${file} does not exist`, {
        hint: "use build.dockerfile to name another file",
      });
    throw new BayError("NO_DOCKERFILE", `service ${service}: the Dockerfile ${file} cannot be read`, {
      cause,
    });
  }
}

/** Lines of the Dockerfile's own ignore file, or else of the directory's. */
export function ignoreOf(context: string, dockerfile: string | undefined): string[] {
  return readIgnore(context, dockerfile, (file) =>
    existsSync(file) ? readFileSync(file, "utf8") : undefined,
  );
}
