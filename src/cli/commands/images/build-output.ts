/** The outputs of a build (`docker build --output`): an image of this host, of a registry, an archive, or files. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { promisify } from "node:util";
import { csvFields } from "../../../build/options.ts";
import { nearest } from "../../../core/diagnostics.ts";
import { BayError } from "../../../core/errors.ts";
import type { BuildBody } from "../../../daemon/api/bay/build.ts";
import type { ExportBody } from "../../../daemon/api/bay/image-files.ts";
import type { Client } from "../../../daemon/index.ts";
import { refuseTerminal, saveStream } from "../../ui/save-stream.ts";

export type BuildOutput =
  | { kind: "image"; name: string | undefined; push: boolean }
  | { kind: "local"; folder: string }
  /** Files, or the image itself; written to standard output if there is no file. */
  | { kind: "tar" | "oci" | "docker"; file: string | undefined }
  | { kind: "layout"; folder: string }
  /** Only the cache is exported. */
  | { kind: "cacheonly" };

const KEYS: Record<string, readonly string[]> = {
  image: ["name", "push"],
  registry: ["name"],
  local: ["dest"],
  tar: ["dest"],
  oci: ["dest", "tar"],
  docker: ["dest"],
  cacheonly: [],
};

/** `type=local,dest=FOLDER`, or a folder alone; `-` is an archive of files on standard output. Throws BAD_OPTION. */
export function readOutput(text: string): BuildOutput {
  if (text === "-") return { kind: "tar", file: undefined };
  if (!text.includes("=")) return { kind: "local", folder: resolve(text) };
  const bad = (message: string, hint?: string) =>
    new BayError("BAD_OPTION", `--output ${JSON.stringify(text)}: ${message}`, hint ? { hint } : {});
  const fields = new Map(csvFields(text).map((field) => field.split(/=(.*)/s, 2) as [string, string]));
  const type = fields.get("type");
  const known = type === undefined ? undefined : KEYS[type];
  if (type === undefined) throw bad("the type is missing", `type=${Object.keys(KEYS).join(", ")}`);
  if (!known)
    throw bad(`unknown type ${JSON.stringify(type)}`, `expected one of ${Object.keys(KEYS).join(", ")}`);
  for (const key of fields.keys()) {
    if (key === "type" || known.includes(key)) continue;
    const close = nearest(key, known);
    throw bad(
      `type=${type} does not support ${JSON.stringify(key)}`,
      close ? `did you mean ${close}?` : undefined,
    );
  }
  const dest = fields.get("dest");
  const file = dest === undefined || dest === "-" ? undefined : resolve(dest);
  const isYes = (key: string) => ["true", "1"].includes(fields.get(key) ?? "");
  switch (type) {
    case "registry":
      return { kind: "image", name: fields.get("name"), push: true };
    case "image":
      return { kind: "image", name: fields.get("name"), push: isYes("push") };
    case "cacheonly":
      return { kind: "cacheonly" };
    case "local":
      if (!file) throw bad("type=local needs a dest");
      return { kind: "local", folder: file };
    case "oci":
      if (fields.get("tar") !== "false") return { kind: "oci", file };
      if (!file) throw bad("tar=false needs a dest");
      return { kind: "layout", folder: file };
    case "docker":
      // without a destination it is an image of this host, as docker's
      return dest === undefined ? { kind: "image", name: undefined, push: false } : { kind: "docker", file };
    default:
      return { kind: "tar", file };
  }
}

/** Call it before the build. Throws BAD_OPTION if several outputs use standard output, or if it is a terminal. */
export function checkOutputs(outputs: readonly BuildOutput[]): void {
  const streams = outputs.filter((output) => "file" in output && output.file === undefined);
  if (streams.length > 1) throw new BayError("BAD_OPTION", "only one --output can go to standard output");
  if (streams.length === 1) refuseTerminal(undefined, "an archive");
  for (const output of outputs) {
    if ("file" in output) checkFile("--output", output.file);
    if ("folder" in output && existsSync(output.folder) && !statSync(output.folder).isDirectory())
      throw new BayError("BAD_OPTION", `--output: ${output.folder} exists and is not a directory`);
  }
}

/** Checks that the parent directory of an output file exists before the build. Throws BAD_OPTION. */
export function checkFile(option: string, file: string | undefined): void {
  if (file === undefined || statSync(dirname(resolve(file)), { throwIfNoEntry: false })?.isDirectory())
    return;
  throw new BayError("BAD_OPTION", `${option}: the directory ${dirname(file)} does not exist`);
}

/** The bayd of another host cannot read or write folders of this computer. Throws LOCAL_ONLY, which names all of them. */
export function checkRemote(body: BuildBody, outputs: readonly BuildOutput[], address: string): void {
  const { context, contexts = {}, cacheFrom = [], cacheTo = [], secrets = {}, ssh = {} } = body;
  const sources = [context, ...Object.values(contexts), ...cacheFrom, ...cacheTo, ...Object.values(secrets)];
  const paths = [
    ...sources.flatMap((source) =>
      source && "path" in source ? source.path : source && "file" in source ? source.file : [],
    ),
    ...Object.values(ssh),
    ...outputs.flatMap((output) => (output.kind === "local" ? output.folder : [])),
  ];
  if (paths.length === 0) return;
  throw new BayError("LOCAL_ONLY", `${address}: the bayd of another host cannot use ${paths.join(", ")}`, {
    hint: "build from a git repository or a URL, or build on that host",
  });
}

/** Whether any output is an image of this host. */
export const keepsImage = (outputs: readonly BuildOutput[]): boolean =>
  outputs.length === 0 || outputs.some(({ kind }) => kind === "image");

/** Writes the files and archives of an image that was built. */
export async function deliver(
  client: Client,
  id: string,
  names: readonly string[],
  outputs: readonly BuildOutput[],
): Promise<void> {
  for (const output of outputs) {
    if (output.kind === "local") await writeFiles(client, id, output.folder);
    else if (output.kind === "layout") await writeLayout(client, id, names, output.folder);
    else if (output.kind === "tar") await receive(client, `/bay/v1/image/${id}/files`, output.file);
    else if (output.kind === "oci" || output.kind === "docker")
      await receive(client, archivePath(id, names), output.file);
  }
}

const archivePath = (id: string, names: readonly string[]) =>
  `/bay/v1/image/${id}/archive?${names.map((name) => `name=${encodeURIComponent(name)}`).join("&")}`;

async function writeFiles(client: Client, id: string, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const body: ExportBody = { id, folder, uid: process.getuid!(), gid: process.getgid!() };
  await client.json("POST", "/bay/v1/image/files", body);
}

/** bay's own archive is an OCI layout and trusted, so tar(1) may unpack it. */
async function writeLayout(
  client: Client,
  id: string,
  names: readonly string[],
  folder: string,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const file = resolve(folder, ".image.tar");
  await receive(client, archivePath(id, names), file);
  await promisify(execFile)("tar", ["-xf", file, "-C", folder, "--exclude=manifest.json"]);
  await promisify(execFile)("rm", ["-f", file]);
}

async function receive(client: Client, path: string, file: string | undefined): Promise<void> {
  const { status, body } = await client.send("GET", path);
  if (status >= 400) {
    const { textOf, toError } = await import("../../../daemon/client.ts");
    throw toError(await textOf(body));
  }
  await saveStream(body, file);
}
