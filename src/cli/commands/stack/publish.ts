/** `bay publish`: the stack's files as an artifact in a registry, for -f oci:// and include (docker compose's format). */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { BayError } from "../../../core/errors.ts";
import { redacted } from "../../../core/redaction.ts";
import type { ArtifactPart } from "../../../image/index.ts";
import type { Stack } from "../../../stack/index.ts";
import type { Context } from "../../context.ts";
import { print } from "../../ui/output.ts";
import { pinImages } from "./config.ts";

interface PublishOptions {
  resolveImageDigests?: boolean;
  withEnv?: boolean;
  yes?: boolean;
  ociVersion?: "1.0" | "1.1";
}

/** Throws BAD_OPTION with everything that cannot be published, and errors of the registry. */
export async function publish(context: Context, [name]: string[], options: PublishOptions): Promise<void> {
  const { findCredentials, parseReference, web } = await import("../../../image/index.ts");
  const artifact = await import("../../../gitops/remote/compose-artifact.ts");
  const reference = parseReference(name!);
  if (reference.digest) throw new BayError("BAD_OPTION", `${name}: a digest cannot be chosen; use a tag`);
  const stack = await context.stack();
  const { stackFiles } = await import("../../../stack/files/find.ts");
  const { readMerged } = await import("../../../stack/files/merge-files.ts");
  const request = context.loadOptions();
  const files = await context.load(request, stackFiles);
  const merged = await context.load(request, (own) => readMerged(own, { isRaw: true }));
  const problems = [...otherFiles(files, [...merged.sources.keys()]), ...unfit(stack, merged.value, options)];
  if (problems.length > 0)
    throw new BayError("BAD_OPTION", `the stack cannot be published:\n${problems.join("\n")}`);
  const envFiles = new Map<string, Buffer>();
  const { withEnvFiles } = await import("./publish-env-files.ts");
  const parts: ArtifactPart[] = files.map((file) => ({
    mediaType: artifact.FILE_TYPE,
    annotations: { [artifact.FILE_NAME]: relative(merged.directory, file).split("/").at(-1)! },
    bytes: Buffer.from(
      withEnvFiles(readFileSync(file, "utf8"), (path) => {
        const bytes = readFileSync(resolve(merged.directory, path));
        const own = `${createHash("sha256").update(bytes).digest("hex")}.env`;
        envFiles.set(own, bytes);
        return own;
      }),
    ),
  }));
  if (options.resolveImageDigests) parts.push(await digestsPart(stack, artifact));
  for (const [own, bytes] of envFiles)
    parts.push({ mediaType: artifact.ENV_TYPE, annotations: { [artifact.ENV_NAME]: own }, bytes });
  const digest = await web.pushArtifact(
    reference,
    {
      ...(options.ociVersion === "1.0"
        ? { configType: artifact.CONFIG_TYPE }
        : { artifactType: artifact.ARTIFACT_TYPE }),
      parts,
      annotations: { "org.opencontainers.image.created": new Date().toISOString() },
    },
    await findCredentials(reference.registry),
  );
  print(`oci://${name}@${digest}`);
}

async function digestsPart(
  stack: Stack,
  artifact: typeof import("../../../gitops/remote/compose-artifact.ts"),
): Promise<ArtifactPart> {
  await pinImages(stack);
  const { toYaml } = await import("../../ui/yaml.ts");
  const services = Object.fromEntries(
    Object.values(stack.services).map(({ name, image }) => [name, { image }]),
  );
  return {
    mediaType: artifact.FILE_TYPE,
    annotations: { [artifact.FILE_NAME]: "image-digests.yaml" },
    bytes: Buffer.from(toYaml({ services })),
  };
}

/** Files that others would not have. */
function otherFiles(files: readonly string[], sources: readonly string[]): string[] {
  if (files.includes("-")) return ["standard input: name a file with -f"];
  const others = sources.filter((source) => !files.includes(resolve(source)));
  return others.map(
    (other) => `${other}: included and extended files are not published; bay config -o FILE makes one file`,
  );
}

function unfit(stack: Stack, raw: unknown, { withEnv, yes }: PublishOptions): string[] {
  const problems: string[] = [];
  const services = (raw as { services?: Record<string, Record<string, unknown> | null> }).services ?? {};
  for (const [name, service] of Object.entries(services)) {
    const at = `services.${name}`;
    if (service?.build && !service.image)
      problems.push(`${at}.build: others cannot build it; add image: with the name under which it is pushed`);
    if (service?.env_file && !withEnv)
      problems.push(`${at}.env_file: --with-env publishes the content of env files too`);
    for (const [key, value] of Object.entries(stack.services[name]?.environment ?? {}))
      if (!yes && isWritten(service?.environment, key) && redacted("environment", key, value) !== value)
        problems.push(
          `${at}.environment.${key}: this may be a secret, which everybody with access to the registry could read; --yes publishes it`,
        );
  }
  for (const kind of ["secrets", "configs"] as const)
    for (const [name, given] of Object.entries(stack[kind]))
      if ("file" in given) problems.push(`${kind}.${name}.file: files of ${kind} are not published`);
  return problems;
}

/** Whether the file has the value itself, and not a variable. */
function isWritten(environment: unknown, key: string): boolean {
  const given = Array.isArray(environment)
    ? environment
        .map(String)
        .find((entry) => entry.startsWith(`${key}=`))
        ?.slice(key.length + 1)
    : (environment as Record<string, unknown> | undefined)?.[key];
  return given !== undefined && given !== null && given !== "" && !/^\$\{?\w/.test(String(given));
}
