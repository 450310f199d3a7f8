/** Disk usage (`bay system df`, `bay image du`), and freeing space (`prune`). */
import { createInterface } from "node:readline/promises";
import { BayError } from "../../../core/errors.ts";
import type { Client } from "../../../daemon/index.ts";
import type { Context } from "../../context.ts";
import { filterQuery } from "../../filter-query.ts";
import { humanAge, humanBytes, print, printJson, shortId, table } from "../../ui/output.ts";

interface Usage {
  LayersSize: number;
  UnneededSize: number;
  Images: {
    Id: string;
    RepoTags: string[];
    Created: number;
    Size: number;
    UnpackedSize: number;
    SharedSize: number;
    Containers: number;
  }[];
  Containers: {
    Id: string;
    Names: string[];
    Image: string;
    State: string;
    Created: number;
    SizeRw: number;
  }[];
  Volumes: { Name: string; UsageData: { Size: number; RefCount: number } }[];
  BuildCache: { ID: string; Size: number; InUse: boolean; Description: string; LastUsedAt: string }[];
}

interface Options {
  format: string;
  verbose?: boolean;
}

const total = <T>(rows: readonly T[], size: (row: T) => number) =>
  rows.reduce((sum, row) => sum + size(row), 0);
const usageOf = (client: Client) => client.json<Usage>("GET", "/system/df");

/** `bay system df`. */
export async function diskUsage(context: Context, _args: string[], options: Options): Promise<void> {
  const usage = await usageOf(await context.daemon());
  const rows = summary(usage);
  if (options.format === "json") return printJson(options.verbose ? usage : rows);
  if (options.verbose) return printAll(usage);
  print(
    table(
      ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"],
      rows.map(({ Type, TotalCount, Active, Size, Reclaimable }) => [
        Type,
        String(TotalCount),
        String(Active),
        humanBytes(Size),
        `${humanBytes(Reclaimable)}${Size > 0 ? ` (${Math.round((100 * Reclaimable) / Size)}%)` : ""}`,
      ]),
    ),
  );
}

/** Reclaimable is what prune would free: images that no container uses, containers that have exited, unused volumes. */
function summary({ LayersSize, UnneededSize, Images, Containers, Volumes, BuildCache }: Usage) {
  const unused = Images.filter((image) => image.Containers === 0);
  const ended = Containers.filter(
    ({ State }) => State === "exited" || State === "created" || State === "dead",
  );
  const lone = Volumes.filter(({ UsageData }) => UsageData.RefCount === 0);
  const idle = BuildCache.filter(({ InUse }) => !InUse);
  const row = (Type: string, TotalCount: number, Active: number, Size: number, Reclaimable: number) => ({
    Type,
    TotalCount,
    Active,
    Size,
    Reclaimable,
  });
  // layers shared with a used image are kept
  const freed = unused.length === Images.length ? LayersSize : total(unused, (i) => i.Size - i.SharedSize);
  const volumes = (rows: Usage["Volumes"]) => total(rows, ({ UsageData }) => UsageData.Size);
  const containers = (rows: Usage["Containers"]) => total(rows, ({ SizeRw }) => SizeRw);
  const cache = (rows: Usage["BuildCache"]) => total(rows, ({ Size }) => Size);
  return [
    row(
      "Images",
      Images.length,
      Images.length - unused.length,
      LayersSize + UnneededSize,
      freed + UnneededSize,
    ),
    row(
      "Containers",
      Containers.length,
      Containers.length - ended.length,
      containers(Containers),
      containers(ended),
    ),
    row("Local Volumes", Volumes.length, Volumes.length - lone.length, volumes(Volumes), volumes(lone)),
    row("Build Cache", BuildCache.length, BuildCache.length - idle.length, cache(BuildCache), cache(idle)),
  ];
}

function printAll({ Images, Containers, Volumes, BuildCache }: Usage): void {
  printImages(Images);
  const age = (seconds: number) => `${humanAge(Date.now() - seconds * 1000)} ago`;
  print(
    `\n${table(
      ["CONTAINER", "IMAGE", "STATE", "CREATED", "OWN FILES"],
      Containers.map(({ Names, Image, State, Created, SizeRw }) => [
        Names[0]!.slice(1),
        Image,
        State,
        age(Created),
        humanBytes(SizeRw),
      ]),
    )}`,
  );
  print(
    `\n${table(
      ["VOLUME", "USED BY", "SIZE"],
      Volumes.map(({ Name, UsageData }) => [Name, String(UsageData.RefCount), humanBytes(UsageData.Size)]),
    )}`,
  );
  print(
    `\n${table(
      ["BUILD STEP", "SIZE", "IN USE"],
      BuildCache.map(({ Description, Size, InUse }) => [Description, humanBytes(Size), InUse ? "yes" : "no"]),
    )}`,
  );
}

function printImages(images: Usage["Images"]): void {
  print(
    table(
      ["IMAGE", "ID", "PACKED", "UNPACKED", "SHARED", "ALONE", "CONTAINERS"],
      images.map(({ Id, RepoTags, Size, UnpackedSize, SharedSize, Containers }) => [
        RepoTags[0] ?? "<none>",
        shortId(Id),
        humanBytes(Size - UnpackedSize),
        humanBytes(UnpackedSize),
        humanBytes(SharedSize),
        humanBytes(Size - SharedSize),
        String(Containers),
      ]),
    ),
  );
}

/** `bay image du`. */
export async function imageUsage(context: Context, _args: string[], options: Options): Promise<void> {
  const { Images, LayersSize, UnneededSize } = await usageOf(await context.daemon());
  if (options.format === "json") return printJson(Images);
  printImages(Images.sort((a, b) => b.Size - a.Size));
  print(
    `${humanBytes(LayersSize)} in all${UnneededSize > 0 ? `, and ${humanBytes(UnneededSize)} that no image needs` : ""}`,
  );
}

interface PruneOptions {
  all?: boolean;
  volumes?: boolean;
  force?: boolean;
  filter?: string[];
}

/** Asks the user; throws BAD_OPTION without a terminal. */
async function confirm(what: readonly string[], force: boolean | undefined): Promise<boolean> {
  if (force) return true;
  if (!process.stdin.isTTY)
    throw new BayError("BAD_OPTION", "cannot ask for input without a terminal", {
      hint: "use --force to skip the confirmation",
    });
  process.stderr.write(`This removes\n${what.map((line) => `  - ${line}\n`).join("")}`);
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await reader.question("Continue? [y/N] ");
  reader.close();
  return /^y(es)?$/i.test(answer.trim());
}

/** `bay system prune`. */
export async function pruneAll(context: Context, _args: string[], options: PruneOptions): Promise<void> {
  const what = [
    "all stopped containers",
    "all networks that no container uses",
    options.all ? "all images that no container uses" : "all images without a name that no container uses",
    options.all ? "the whole build cache" : "entries of the build cache that were not used for a week",
    ...(options.volumes ? ["all anonymous volumes that no container uses"] : []),
  ];
  if (!(await confirm(what, options.force))) return;
  const client = await context.daemon();
  const { filter } = options;
  let freed = await prunedContainers(client, filter);
  await prunedNetworks(client, filter);
  if (options.volumes)
    freed += await prunedVolumes(
      client,
      filter?.filter((each) => !each.startsWith("until=")),
      false,
    );
  freed += await prunedImages(client, filter, options.all ?? false);
  freed += await prunedBuilds(
    client,
    filter?.filter((each) => each.startsWith("until=")),
    options.all ?? false,
  );
  print(`${humanBytes(freed)} freed, and unpacked layers`);
}

export async function pruneVolumes(context: Context, _args: string[], options: PruneOptions): Promise<void> {
  const what = [
    options.all ? "all volumes that no container uses" : "all anonymous volumes that no container uses",
  ];
  if (!(await confirm(what, options.force))) return;
  const freed = await prunedVolumes(await context.daemon(), options.filter, options.all ?? false);
  print(`${humanBytes(freed)} freed`);
}

export async function pruneNetworks(context: Context, _args: string[], options: PruneOptions): Promise<void> {
  if (!(await confirm(["all networks that no container uses"], options.force))) return;
  await prunedNetworks(await context.daemon(), options.filter);
}

export async function pruneBuilds(
  context: Context,
  _args: string[],
  options: PruneOptions & { keepStorage?: string },
): Promise<void> {
  const { all: isAll = false, keepStorage, filter } = options;
  const keep = keepStorage === undefined ? undefined : await sizeOption(keepStorage);
  const what = isAll
    ? "the whole build cache: steps, cache mounts, sources and Debian packages"
    : keep === undefined
      ? "entries of the build cache that were not used for a week"
      : `entries of the build cache beyond ${humanBytes(keep)}`;
  if (!(await confirm([what], options.force))) return;
  const freed = await prunedBuilds(await context.daemon(), filter, isAll, keep);
  print(`${humanBytes(freed)} freed`);
}

async function sizeOption(text: string): Promise<number> {
  const { parseBytes } = await import("../../../stack/query.ts");
  const bytes = parseBytes(text);
  if (bytes !== undefined && bytes > 0) return bytes;
  throw new BayError("BAD_OPTION", `--keep-storage: invalid size ${text}`, { hint: "for example 10gb" });
}

async function prunedBuilds(
  client: Client,
  filter: readonly string[] | undefined,
  isAll: boolean,
  keep?: number,
): Promise<number> {
  const kept = keep === undefined ? "" : `&keep-storage=${keep}`;
  const { CachesDeleted, SpaceReclaimed } = await client.json<{
    CachesDeleted: string[];
    SpaceReclaimed: number;
  }>("POST", `/build/prune?all=${isAll}${kept}&filters=${filterQuery(filter)}`);
  if (CachesDeleted.length > 0) print(`removed ${CachesDeleted.length} entries of the build cache`);
  return SpaceReclaimed;
}

export async function pruneContainers(
  context: Context,
  _args: string[],
  options: PruneOptions,
): Promise<void> {
  if (!(await confirm(["all stopped containers"], options.force))) return;
  print(`${humanBytes(await prunedContainers(await context.daemon(), options.filter))} freed`);
}

export async function pruneImages(context: Context, _args: string[], options: PruneOptions): Promise<void> {
  const what = options.all
    ? "all images that no container uses"
    : "all images without a name that no container uses";
  if (!(await confirm([what], options.force))) return;
  const freed = await prunedImages(await context.daemon(), options.filter, options.all ?? false);
  print(`${humanBytes(freed)} freed, and the unpacked layers`);
}

async function prunedContainers(client: Client, filter: readonly string[] | undefined): Promise<number> {
  const { ContainersDeleted, SpaceReclaimed } = await client.json<{
    ContainersDeleted: string[];
    SpaceReclaimed: number;
  }>("POST", `/containers/prune?filters=${filterQuery(filter)}`);
  for (const id of ContainersDeleted) print(`removed container ${shortId(id)}`);
  return SpaceReclaimed;
}

async function prunedNetworks(client: Client, filter: readonly string[] | undefined): Promise<void> {
  const { NetworksDeleted } = await client.json<{ NetworksDeleted: string[] }>(
    "POST",
    `/networks/prune?filters=${filterQuery(filter)}`,
  );
  for (const name of NetworksDeleted) print(`removed network ${name}`);
}

async function prunedVolumes(
  client: Client,
  filter: readonly string[] | undefined,
  isAll: boolean,
): Promise<number> {
  const filters = filterQuery(filter, isAll ? { all: ["true"] } : {});
  const { VolumesDeleted, SpaceReclaimed } = await client.json<{
    VolumesDeleted: string[];
    SpaceReclaimed: number;
  }>("POST", `/volumes/prune?filters=${filters}`);
  for (const name of VolumesDeleted) print(`removed volume ${name}`);
  return SpaceReclaimed;
}

async function prunedImages(
  client: Client,
  filter: readonly string[] | undefined,
  isAll: boolean,
): Promise<number> {
  const filters = filterQuery(filter, { dangling: [isAll ? "false" : "true"] });
  const { ImagesDeleted, SpaceReclaimed } = await client.json<{
    ImagesDeleted: { Untagged?: string; Deleted?: string }[];
    SpaceReclaimed: number;
  }>("POST", `/images/prune?filters=${filters}`);
  for (const { Untagged, Deleted } of ImagesDeleted) print(`removed image ${Untagged ?? shortId(Deleted!)}`);
  return SpaceReclaimed;
}
