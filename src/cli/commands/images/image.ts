/** `bay image …`: commands on images of this host. */
import { createReadStream, existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import { BayError } from "../../../core/errors.ts";
import { receivedError } from "../../../core/received-error.ts";
import { textOf, toError } from "../../../daemon/index.ts";
import type { Context } from "../../context.ts";
import { filterQuery } from "../../filter-query.ts";
import type { ImageRow } from "../../ui/image-listing.ts";
import { humanAge, humanBytes, print, printJson, shortId, table } from "../../ui/output.ts";
import { isSpecial, refuseTerminal, saveStream, whole } from "../../ui/save-stream.ts";

const at = (name: string) => `/images/${encodeURIComponent(name)}`;

interface ListOptions {
  quiet?: boolean;
  digests?: boolean;
  trunc: boolean;
  filter?: string[];
  format: string;
}

/** `bay image ls [NAME]`. The name is a filter as in docker: without a tag it matches all tags, and it may have wildcards. */
export async function list(context: Context, [name]: string[], options: ListOptions): Promise<void> {
  const filters = filterQuery(options.filter, name === undefined ? {} : { reference: [name] });
  const client = await context.daemon();
  const rows = await client.json<ImageRow[]>("GET", `/images/json?filters=${filters}`);
  const idOf = ({ Id }: ImageRow) => (options.trunc ? shortId(Id) : Id);
  if (options.quiet) return print(rows.map(idOf).join("\n"));
  if (options.format === "json") return printJson(rows);
  if (options.format !== "table") {
    const { imageListing, namedImages } = await import("../../ui/image-listing.ts");
    const { printListing } = await import("../../ui/listing.ts");
    return printListing(options.format, imageListing, namedImages(rows));
  }
  const cells = rows.flatMap((row) =>
    (row.RepoTags.length > 0 ? row.RepoTags : ["<none>"]).map((tag) => [
      tag,
      ...(options.digests ? [digestOf(tag, row)] : []),
      idOf(row),
      `${humanAge(Date.now() - row.Created * 1000)} ago`,
      humanBytes(row.Size),
      String(row.Containers),
    ]),
  );
  const digest = options.digests ? ["DIGEST"] : [];
  print(
    table(
      ["IMAGE", ...digest, "ID", "LOADED", "SIZE", "CONTAINERS"],
      cells.sort(([a = ""], [b = ""]) => (a < b ? -1 : 1)),
    ),
  );
}

/** The digest of an image in the registry of its name; an image that was not pulled has none. */
function digestOf(tag: string, { RepoDigests }: ImageRow): string {
  const repository = tag.replace(/:[^/:]*$/, "");
  return (
    RepoDigests.find((each) => each.startsWith(`${repository}@`))?.slice(repository.length + 1) ?? "<none>"
  );
}

export async function inspect(context: Context, names: string[]): Promise<void> {
  const client = await context.daemon();
  printJson(await Promise.all(names.map((name) => client.json("GET", `${at(name)}/json`))));
}

interface HistoryRow {
  Created: number;
  CreatedBy: string;
  Size: number;
  Comment: string;
}

export async function history(
  context: Context,
  [name]: string[],
  options: { format: string; trunc?: boolean },
): Promise<void> {
  const rows = await (await context.daemon()).json<HistoryRow[]>("GET", `${at(name!)}/history`);
  if (options.format === "json") return printJson(rows);
  const cut = (text: string) =>
    options.trunc === false || text.length <= 60 ? text : `${text.slice(0, 59)}…`;
  const cells = rows.map(({ CreatedBy, Size, Comment }) => [
    humanBytes(Size),
    cut(CreatedBy.replace(/\s+/g, " ")),
    Comment,
  ]);
  print(table(["SIZE", "CREATED BY", "COMMENT"], cells));
}

export async function tag(context: Context, [name, target]: string[]): Promise<void> {
  const query = new URLSearchParams({ repo: target! });
  await (await context.daemon()).json("POST", `${at(name!)}/tag?${query}`);
}

export async function remove(context: Context, names: string[], options: { force?: boolean }): Promise<void> {
  const client = await context.daemon();
  for (const name of names) {
    const answers = await client.json<{ Untagged?: string; Deleted?: string }[]>(
      "DELETE",
      `${at(name)}?force=${options.force ? 1 : 0}`,
    );
    for (const { Untagged, Deleted } of answers)
      print(Untagged ? `untagged ${Untagged}` : `removed ${shortId(Deleted!)}`);
  }
}

/** `bay image save`. bayd writes the file itself, because it is on the same host and has the blobs. */
export async function save(context: Context, names: string[], options: { output?: string }): Promise<void> {
  const { output } = options;
  const client = await context.daemon();
  refuseTerminal(output, "an archive");
  if (output && !client.isRemote && !isSpecial(output)) {
    try {
      return await whole(output, async (file) => {
        const { body, status } = await client.send("POST", "/bay/v1/images/save", { names, ...file });
        const answer = await textOf(body);
        if (status >= 400) throw toError(answer);
        answerLines(answer);
      });
    } catch (error) {
      // bayd may be in another mount namespace than this process
      if (!(error instanceof BayError) || error.code !== "OTHER_FILE") throw error;
    }
  }
  const query = new URLSearchParams(names.map((name): [string, string] => ["names", name]));
  const { body, status } = await client.send("GET", `/images/get?${query}`);
  if (status >= 400) throw toError(await textOf(body));
  await saveStream(body, output);
}

export async function load(context: Context, _args: string[], options: { input?: string }): Promise<void> {
  const client = await context.daemon();
  if (options.input && !existsSync(options.input))
    throw new BayError("BAD_ARCHIVE", `the archive ${options.input} does not exist`);
  // bayd of the same host reads the file itself
  const answer =
    options.input && !client.isRemote
      ? await client.text("POST", "/bay/v1/images/load", { path: resolve(options.input) })
      : await client.upload(
          "POST",
          "/images/load",
          options.input ? createReadStream(options.input) : process.stdin,
        );
  for (const { stream } of answerLines(answer))
    if (stream) print(stream.trim().replace(/^Loaded image/, "loaded image"));
}

interface AnswerLine {
  stream?: string;
  status?: string;
  error?: string;
  code?: string;
  hint?: string;
}

/** The lines of a stream. Throws the error that a line contains. */
function answerLines(text: string): AnswerLine[] {
  const lines = text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as AnswerLine);
  const failed = lines.find(({ error }) => error !== undefined);
  if (!failed) return lines;
  throw receivedError({ ...failed, message: failed.error! }, "INTERNAL");
}

/** `bay image import FILE|URL|- [NAME]`. */
export async function importImage(
  context: Context,
  [source, name]: string[],
  options: { change?: string[]; message?: string; platform?: string },
): Promise<void> {
  const isUrl = /^https?:\/\//.test(source!);
  if (!isUrl && source !== "-" && !existsSync(source!))
    throw new BayError("NO_FILE", `the file ${source} does not exist`);
  const query = new URLSearchParams({
    fromSrc: isUrl ? source! : "-",
    repo: name ?? "",
    message: options.message ?? (isUrl || source === "-" ? "" : `Imported from ${basename(source!)}`),
    platform: options.platform ?? "",
  });
  const { changedConfig } = await import("../../../build/index.ts");
  changedConfig({}, options.change ?? []); // report invalid changes before anything is sent
  for (const change of options.change ?? []) query.append("changes", change);
  const client = await context.daemon();
  const path = `/images/create?${query}`;
  const answer = isUrl
    ? await textOf((await client.send("POST", path)).body)
    : await client.upload("POST", path, source === "-" ? process.stdin : createReadStream(source!));
  const lines = answerLines(answer);
  // an error before the stream begins is a single JSON object
  const status = lines.at(-1)?.status;
  if (!status) throw toError(answer);
  print(status);
}

/** `bay image search [HOST/]WORD`. */
export async function search(
  context: Context,
  [term]: string[],
  options: { limit: number; format: string },
): Promise<void> {
  const { findCredentials } = await import("../../../image/index.ts");
  const { authHeader } = await import("./registry.ts");
  const host = term!.split("/")[0]!;
  const query = new URLSearchParams({ term: term!, limit: String(options.limit) });
  const client = await context.daemon();
  const headers = authHeader(await findCredentials(host));
  const { body, status } = await client.send("GET", `/images/search?${query}`, undefined, headers);
  const text = await textOf(body);
  if (status >= 400) throw toError(text);
  const rows = JSON.parse(text) as { name: string }[];
  if (options.format === "json") return printJson(rows);
  print(rows.length === 0 ? "nothing found" : rows.map(({ name }) => name).join("\n"));
}

export async function verify(
  context: Context,
  _args: string[],
  options: { format: string },
): Promise<number> {
  const result = await (await context.daemon()).json<{
    checked: number;
    problems: { image: string; digest: string; message: string }[];
    damaged: string[];
  }>("GET", "/bay/v1/images/verify");
  if (options.format === "json") printJson(result);
  else if (result.problems.length === 0) print(`${result.checked} blobs are intact`);
  else {
    for (const { image, digest, message } of result.problems) print(`${image}: ${digest}: ${message}`);
    if (result.damaged.length > 0) print("damaged content is no longer used");
    print(
      "bay image pull, bay image load and, for the images of a stack, bay up restore what is damaged or missing",
    );
  }
  return result.problems.length === 0 ? 0 : 1;
}
