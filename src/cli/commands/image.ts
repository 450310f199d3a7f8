/** `bay image …`: what is in the store of images. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { textOf, toError } from "../../daemon/index.ts";
import { BayError } from "../../errors.ts";
import type { Context } from "../context.ts";
import { humanAge, humanBytes, print, printJson, table } from "../ui/output.ts";
import { refuseTerminal, saveStream } from "../ui/save-stream.ts";

interface ImageRow {
  Id: string;
  RepoTags: string[];
  RepoDigests: string[];
  Created: number;
  Size: number;
  Containers: number;
}

const short = (digest: string) => digest.replace("sha256:", "").slice(0, 12);
const at = (name: string) => `/images/${encodeURIComponent(name)}`;

export async function list(
  context: Context,
  _args: string[],
  options: { quiet?: boolean; format: string },
): Promise<void> {
  const rows = await (await context.daemon()).json<ImageRow[]>("GET", "/images/json");
  if (options.quiet) return print(rows.map(({ Id }) => short(Id)).join("\n"));
  if (options.format === "json") return printJson(rows);
  const cells = rows.flatMap(({ Id, RepoTags, Created, Size, Containers }) =>
    (RepoTags.length > 0 ? RepoTags : ["<none>"]).map((name) => [
      name,
      short(Id),
      `${humanAge(Date.now() - Created * 1000)} ago`,
      humanBytes(Size),
      String(Containers),
    ]),
  );
  print(
    table(
      ["IMAGE", "ID", "HERE SINCE", "SIZE", "CONTAINERS"],
      cells.sort(([a = ""], [b = ""]) => (a < b ? -1 : 1)),
    ),
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
      print(Untagged ? `untagged ${Untagged}` : `removed ${short(Deleted!)}`);
  }
}

export async function prune(context: Context, _args: string[], options: { all?: boolean }): Promise<void> {
  const filters = encodeURIComponent(JSON.stringify({ dangling: [options.all ? "false" : "true"] }));
  const answer = await (await context.daemon()).json<{
    ImagesDeleted: { Untagged?: string; Deleted?: string }[];
    SpaceReclaimed: number;
  }>("POST", `/images/prune?filters=${filters}`);
  for (const { Untagged, Deleted } of answer.ImagesDeleted) print(`removed ${Untagged ?? short(Deleted!)}`);
  print(`${humanBytes(answer.SpaceReclaimed)} freed, and the unpacked layers`);
}

export async function save(context: Context, names: string[], options: { output?: string }): Promise<void> {
  const client = await context.daemon();
  refuseTerminal(options.output, "an archive");
  const query = new URLSearchParams(names.map((name): [string, string] => ["names", name]));
  const { body, status } = await client.send("GET", `/images/get?${query}`);
  if (status >= 400) throw toError(await textOf(body));
  await saveStream(body, options.output);
}

export async function load(context: Context, _args: string[], options: { input?: string }): Promise<void> {
  const client = await context.daemon();
  if (options.input && !existsSync(options.input))
    throw new BayError("BAD_ARCHIVE", `the archive ${options.input} does not exist`);
  // bayd is on the same host: it reads the file from where it is
  const answer = options.input
    ? await textOf((await client.send("POST", "/bay/v1/images/load", { path: resolve(options.input) })).body)
    : await client.upload("POST", "/images/load", process.stdin);
  for (const line of answer.split("\n").filter(Boolean)) {
    const { stream, error, errorDetail } = JSON.parse(line) as {
      stream?: string;
      error?: string;
      errorDetail?: { code: string; hint?: string };
    };
    if (error)
      throw new BayError(
        errorDetail?.code ?? "INTERNAL",
        error,
        errorDetail?.hint ? { hint: errorDetail.hint } : {},
      );
    if (stream) print(stream.trim().replace(/^Loaded image/, "loaded image"));
  }
}

export async function verify(
  context: Context,
  _args: string[],
  options: { format: string },
): Promise<number> {
  const result = await (await context.daemon()).json<{
    checked: number;
    problems: { image: string; digest: string; message: string }[];
  }>("GET", "/bay/v1/images/verify");
  if (options.format === "json") printJson(result);
  else if (result.problems.length === 0) print(`${result.checked} blobs are what their names say`);
  else {
    for (const { image, digest, message } of result.problems) print(`${image}: ${digest}: ${message}`);
    print(
      "bay image rm and bay image pull fetch an image again; one of the stack file is made again by bay up",
    );
  }
  return result.problems.length === 0 ? 0 : 1;
}
