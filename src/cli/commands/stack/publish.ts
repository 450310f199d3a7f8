/** `bay publish`: the stack's files as an artifact in a registry, for -f oci:// and include (docker compose's format). */
import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { BayError } from "../../../core/errors.ts";
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
  const { withEnvFiles } = await import("./publish-env-files.ts");
  const texts = files.map((file) => {
    const text = file === "-" ? "" : readFileSync(file, "utf8");
    return { file, ...withEnvFiles(text, merged.directory, merged.variables) };
  });
  const problems = [
    ...otherFiles(files, [...merged.sources.keys()]),
    ...(await unfit(merged.value, options)),
    ...(options.withEnv ? texts.flatMap((text) => text.problems) : []),
  ];
  if (problems.length > 0)
    throw new BayError("BAD_OPTION", `the stack cannot be published:\n${problems.join("\n")}`);
  const envFiles = new Map(texts.flatMap((text) => [...text.files]));
  const parts: ArtifactPart[] = texts.map(({ file, text }) => ({
    mediaType: artifact.FILE_TYPE,
    annotations: { [artifact.FILE_NAME]: relative(merged.directory, file).split("/").at(-1)! },
    bytes: Buffer.from(text),
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

type Raw = Partial<
  Record<"services" | "secrets" | "configs", Record<string, Record<string, unknown> | null>>
>;

/** What of the stack cannot be published, also in services of inactive profiles. */
async function unfit(raw: unknown, { withEnv, yes }: PublishOptions): Promise<string[]> {
  const problems: string[] = [];
  for (const [name, service] of Object.entries((raw as Raw).services ?? {})) {
    const at = `services.${name}`;
    if (service?.build && !service.image)
      problems.push(`${at}.build: others cannot build it; add image: with the name under which it is pushed`);
    if (service?.env_file && !withEnv)
      problems.push(`${at}.env_file: --with-env publishes the content of env files too`);
    if (service?.label_file) problems.push(`${at}.label_file: label files are not published`);
  }
  const { writtenSecrets } = await import("./publish-secrets.ts");
  if (!yes)
    for (const at of writtenSecrets(raw))
      problems.push(
        `${at}: this may be a secret, which everybody with access to the registry could read; --yes publishes it`,
      );
  for (const kind of ["secrets", "configs"] as const)
    for (const [name, given] of Object.entries((raw as Raw)[kind] ?? {}))
      if (given?.file !== undefined)
        problems.push(`${kind}.${name}.file: files of ${kind} are not published`);
  return problems;
}
