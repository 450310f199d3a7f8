/** `bay volumes`: lists the volumes of a stack, or of some of its services. */
import type { Context } from "../../context.ts";
import { labelColumns } from "../../ui/label-columns.ts";
import { column, type Listing, printListing } from "../../ui/listing.ts";
import { print } from "../../ui/output.ts";

interface VolumeRow {
  Name: string;
  Driver: string;
  Mountpoint: string;
  Labels: Record<string, string>;
}

/** The columns of `docker volume ls`, for all commands that list volumes. */
export const volumeListing = (json: Listing<VolumeRow>["json"]): Listing<VolumeRow> => ({
  columns: {
    Driver: column("DRIVER", ({ Driver }) => Driver),
    Name: column("VOLUME NAME", ({ Name }) => Name),
    Mountpoint: column("MOUNTPOINT", ({ Mountpoint }) => Mountpoint),
    ...labelColumns(({ Labels }) => Labels),
    Scope: column("SCOPE", () => "local"),
  },
  shown: ["Driver", "Name"],
  json,
});

export async function volumes(
  context: Context,
  services: string[],
  options: { quiet?: boolean; format: string },
): Promise<void> {
  const client = await context.client();
  const stack = await context.stackName();
  const { Volumes } = await client.json<{ Volumes: VolumeRow[] }>("GET", "/volumes");
  const wanted = services.length > 0 ? await volumesOf(context, services) : undefined;
  const rows = Volumes.filter(
    ({ Name, Labels }) => Labels["com.docker.compose.project"] === stack && (!wanted || wanted.has(Name)),
  ).sort((a, b) => (a.Name < b.Name ? -1 : 1));
  if (options.quiet) return print(rows.map(({ Name }) => Name).join("\n"));
  await printListing(options.format, volumeListing("lines"), rows);
}

/** Throws UNKNOWN_SERVICE. */
async function volumesOf(context: Context, services: string[]): Promise<Set<string>> {
  const stack = await context.stack(services);
  const { serviceOf } = await import("../../../stack/query.ts");
  const mounts = services.flatMap((name) => serviceOf(stack, name).mounts);
  return new Set(
    mounts.flatMap((mount) =>
      mount.type === "volume" && mount.source ? (stack.volumes[mount.source]?.name ?? mount.source) : [],
    ),
  );
}
