/** The columns of `docker image ls`, for the templates of `image ls`. */
import { column, type Listing } from "./listing.ts";
import { humanAge, humanBytes, shortId } from "./output.ts";

/** A row of `GET /images/json` (Docker Engine API). */
export interface ImageRow {
  Id: string;
  RepoTags: string[];
  RepoDigests: string[];
  Created: number;
  Size: number;
  Containers: number;
}

interface NamedImage {
  image: ImageRow;
  repository: string;
  tag: string;
}

/** An image has a row for each of its names. */
export const namedImages = (images: readonly ImageRow[]): NamedImage[] =>
  images.flatMap((image) =>
    (image.RepoTags.length > 0 ? image.RepoTags : ["<none>:<none>"]).map((name) => {
      const at = name.lastIndexOf(":");
      return { image, repository: name.slice(0, at), tag: name.slice(at + 1) };
    }),
  );

export const imageListing: Listing<NamedImage> = {
  columns: {
    Repository: column("REPOSITORY", ({ repository }) => repository),
    Tag: column("TAG", ({ tag }) => tag),
    Digest: column("DIGEST", ({ image }) => image.RepoDigests[0]?.split("@")[1] ?? "<none>"),
    ID: column("IMAGE ID", ({ image }) => shortId(image.Id)),
    CreatedAt: column("CREATED AT", ({ image }) => new Date(image.Created * 1000).toISOString()),
    CreatedSince: column("CREATED", ({ image }) => `${humanAge(Date.now() - image.Created * 1000)} ago`),
    Size: column("SIZE", ({ image }) => humanBytes(image.Size)),
    Containers: column("CONTAINERS", ({ image }) => image.Containers),
  },
  shown: ["Repository", "Tag", "ID", "CreatedSince", "Size"],
  json: "array",
};
