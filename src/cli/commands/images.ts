import { type Context, nameOf, stackContainers } from "../context.ts";
import { humanBytes, print, table } from "../ui/output.ts";

interface ImageRow {
  Id: string;
  RepoTags: string[];
  Size: number;
}

export async function images(
  context: Context,
  services: string[],
  options: { quiet?: boolean; format: string },
): Promise<void> {
  const client = await context.client();
  const rows = await stackContainers(client, await context.stackName(), {
    services,
    known: context.knownServices,
  });
  const known = await client.json<ImageRow[]>("GET", "/images/json");
  const cells = rows.map((row) => {
    const image = known.find(({ Id }) => Id === row.ImageID);
    return {
      Container: nameOf(row),
      Image: row.Image,
      ID: row.ImageID.replace("sha256:", ""),
      Size: image?.Size ?? 0,
    };
  });
  if (options.quiet) return print([...new Set(cells.map(({ ID }) => ID))].map((id) => id).join("\n"));
  if (options.format === "json") return print(JSON.stringify(cells, null, 2));
  print(
    table(
      ["CONTAINER", "IMAGE", "ID", "SIZE"],
      cells.map(({ Container, Image, ID, Size }) => [Container, Image, ID.slice(0, 12), humanBytes(Size)]),
    ),
  );
}
