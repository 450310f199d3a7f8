/** `bay image build`: builds an image from one Dockerfile, with docker build's options. */
import { writeFileSync } from "node:fs";
import { BayError } from "../../../core/errors.ts";
import type { BuildBody } from "../../../daemon/api/bay/build.ts";
import type { Client } from "../../../daemon/index.ts";
import type { Context } from "../../context.ts";
import { followBuild } from "../../ui/build-progress.ts";
import { print } from "../../ui/output.ts";
import { check } from "./build-check.ts";
import { type BuildOptions, readRequest } from "./build-request.ts";

export async function build(
  context: Context,
  [path = "."]: string[],
  options: BuildOptions,
): Promise<number> {
  const { body, close } = await readRequest(path, options);
  try {
    return await buildOne(context, body, options);
  } finally {
    close();
  }
}

async function buildOne(context: Context, body: BuildBody, options: BuildOptions): Promise<number> {
  if (options.check) return checkOne(body);
  const by = await import("./build-output.ts");
  const outputs = (options.output ?? []).map(by.readOutput);
  by.checkOutputs(outputs);
  by.checkFile("--iidfile", options.iidfile);
  by.checkFile("--metadata-file", options.metadataFile);
  const named = outputs.flatMap((output) => (output.kind === "image" ? (output.name?.split(",") ?? []) : []));
  const tags = [...new Set([...(options.tag ?? []), ...named])];
  const isKept = by.keepsImage(outputs);
  const client = await context.daemon();
  if (client.isRemote) by.checkRemote(body, outputs, client.address);
  const kind = options.quiet ? "quiet" : options.progress;
  const built = await followBuild(client, "/bay/v1/build", { ...body, tags: isKept ? tags : [] }, kind);
  const image = built[0]!;
  writeMetadata(image, tags, options);
  await by.deliver(client, image.id, tags, outputs);
  if (!isKept) {
    await forget(client, image.id);
    return 0;
  }
  // standard output may be used for an archive
  if (!outputs.some((output) => "file" in output && output.file === undefined))
    print(options.quiet ? image.id : `built ${tags.join(", ") || "an image"} (${image.id.slice(7, 19)})`);
  if (!options.push && !outputs.some((output) => output.kind === "image" && output.push)) return 0;
  if (tags.length === 0)
    throw new BayError("BAD_OPTION", "an image without a name cannot be pushed", { hint: "-t NAME" });
  const { pushImages } = await import("./registry.ts");
  await pushImages(context, tags, {});
  return 0;
}

async function checkOne({ context, dockerfile }: BuildBody): Promise<number> {
  const { readIgnore } = await import("../../../daemon/stacks/build-request.ts");
  if (!("source" in dockerfile)) return check([{ dockerfile: { path: dockerfile.inContext }, ignore: [] }]);
  const ignore = context?.kind === "folder" ? readIgnore(context.path, dockerfile.path) : [];
  return check([{ dockerfile, ignore }]);
}

function writeMetadata(
  { id, digest }: { id: string; digest: string },
  tags: readonly string[],
  { iidfile, metadataFile }: BuildOptions,
): void {
  if (iidfile) writeFileSync(iidfile, id);
  const metadata = {
    "containerimage.config.digest": id,
    "containerimage.digest": digest,
    "image.name": tags.join(","),
  };
  if (metadataFile) writeFileSync(metadataFile, `${JSON.stringify(metadata, null, 2)}\n`);
}

/** Removes an image without a requested name, unless another build has named it. */
async function forget(client: Client, id: string): Promise<void> {
  const { RepoTags } = await client.json<{ RepoTags: string[] }>("GET", `/images/${id}/json`);
  if (RepoTags.length === 0) await client.json("DELETE", `/images/${id}`);
}
