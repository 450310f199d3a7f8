import type { Context } from "../../context.ts";
import { containersOf, nameOf } from "../../named-containers.ts";
import { column, type Listing, printListing } from "../../ui/listing.ts";
import { humanBytes, print } from "../../ui/output.ts";

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
  const { client, rows } = await containersOf(context, services);
  const known = await client.json<ImageRow[]>("GET", "/images/json");
  const cells = rows.map((row): ImageCell => {
    const image = known.find(({ Id }) => Id === row.ImageID);
    return {
      container: nameOf(row),
      image: row.Image,
      id: row.ImageID.replace("sha256:", ""),
      size: image?.Size ?? 0,
    };
  });
  if (options.quiet) return print([...new Set(cells.map(({ id }) => id))].join("\n"));
  await printListing(options.format, LISTING, cells);
}

interface ImageCell {
  container: string;
  image: string;
  /** The ID without the algorithm. */
  id: string;
  size: number;
}

/** `nginx:1.27` has a tag; `localhost:5000/nginx` and a digest have none. */
const nameAndTag = (image: string): [name: string, tag: string] => {
  const match = /^([^@]+?)(?::([^:/@]+))?(?:@.*)?$/.exec(image);
  return [match?.[1] ?? image, match?.[2] ?? (image.includes("@") ? "<none>" : "latest")];
};

const LISTING: Listing<ImageCell> = {
  columns: {
    ContainerName: column("CONTAINER", ({ container }) => container),
    Container: column("CONTAINER", ({ container }) => container),
    Image: column("IMAGE", ({ image }) => image),
    Repository: column("REPOSITORY", ({ image }) => nameAndTag(image)[0]),
    Tag: column("TAG", ({ image }) => nameAndTag(image)[1]),
    ID: column("IMAGE ID", ({ id }) => id.slice(0, 12)),
    Size: column("SIZE", ({ size }) => humanBytes(size)),
  },
  shown: ["ContainerName", "Repository", "Tag", "ID", "Size"],
  json: "array",
  toJson: ({ container, image, id, size }) => ({
    ID: id,
    ContainerName: container,
    Container: container,
    Image: image,
    Repository: nameAndTag(image)[0],
    Tag: nameAndTag(image)[1],
    Size: size,
  }),
};
